import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StopCutter } from './stop.ts';

function feed(stops: readonly string[], pieces: readonly string[]) {
  const cutter = new StopCutter(stops);
  const shown = pieces.map((piece) => cutter.push(piece));
  return { shown: [...shown, cutter.hit ? '' : cutter.end()], hit: cutter.hit };
}

/** The law: text up to the stop that ends first; of those that end together, the longest. */
function cutWhole(stops: readonly string[], text: string): { text: string; hit: boolean } {
  for (let end = 1; end <= text.length; end++) {
    const here = stops.filter((stop) => stop !== '' && text.slice(0, end).endsWith(stop));
    if (here.length === 0) continue;
    const longest = Math.max(...here.map((stop) => stop.length));
    return { text: text.slice(0, end - longest), hit: true };
  }
  return { text, hit: false };
}

describe('stop sequences', () => {
  it.each([
    ['within a piece', ['.'], ['a. b'], ['a', ''], true],
    ['over pieces', ['END'], ['a E', 'N', 'D b'], ['a ', '', '', ''], true],
    ['one that does not come', ['END'], ['a EN', 'X'], ['a ', 'ENX', ''], false],
    ['the start of one at the end', ['END'], ['a EN'], ['a ', 'EN'], false],
    ['nothing after', ['.'], ['a.', 'b'], ['a', '', ''], true],
    ['one that repeats its start', ['aab'], ['aaab'], ['a', ''], true],
    ['none', [], ['a'], ['a', ''], false],
    ['an empty one', [''], ['a'], ['a', ''], false],
  ])('cut %s', (_, stops, pieces, shown, hit) => {
    expect(feed(stops, pieces)).toEqual({ shown, hit });
  });

  it('cut the same place however the text is cut into pieces, and hold back no more than they must', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 4 });
    fc.assert(
      fc.property(fc.array(letters, { maxLength: 3 }), fc.array(letters), (stops, pieces) => {
        const { shown, hit } = feed(stops, pieces);
        expect({ text: shown.join(''), hit }).toEqual(cutWhole(stops, pieces.join('')));
        let seen = '';
        for (const [index, piece] of pieces.entries()) {
          seen += piece;
          const out = shown.slice(0, index + 1).join('');
          const held = seen.slice(out.length);
          const isNeeded = stops.some((stop) => stop !== held && stop.startsWith(held));
          if (!cutWhole(stops, seen).hit && held !== '') expect(isNeeded).toBe(true);
        }
      }),
    );
  });
});
