import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readEvents } from './sse.ts';

async function* cut(bytes: Uint8Array, places: readonly number[]): AsyncGenerator<Uint8Array> {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length];
  let from = 0;
  for (const to of ends.toSorted((a, b) => a - b)) {
    yield bytes.subarray(from, to);
    from = to;
    await Promise.resolve();
  }
}

async function read(text: string, places: readonly number[] = []): Promise<string[]> {
  const events: string[] = [];
  for await (const event of readEvents(cut(Buffer.from(text), places))) events.push(event);
  return events;
}

describe('events of a stream', () => {
  it.each([
    ['one', 'data: a\n\n', ['a']],
    ['a name and an id, which nobody needs', 'event: message\nid: 7\ndata: a\n\n', ['a']],
    ['comments', ': ping\n\n:\n\ndata: a\n\n', ['a']],
    ['no space after the colon', 'data:a\n\n', ['a']],
    ['one space only is taken off', 'data:  a\n\n', [' a']],
    ['lines of one event', 'data: a\ndata: b\n\n', ['a\nb']],
    ['line ends of all kinds', 'data: a\r\n\r\ndata: b\r\rdata: c\n\n', ['a', 'b', 'c']],
    ['an empty event', 'event: ping\n\ndata: a\n\n', ['a']],
    ['data without a value', 'data\n\n', ['']],
    ['an end that comes early', 'data: a\n\ndata: b', ['a', 'b']],
    ['nothing', '', []],
  ])('are read: %s', async (_, text, events) => {
    expect(await read(text)).toEqual(events);
  });

  it('are the same however the bytes are cut', async () => {
    const value = fc.string({ unit: 'grapheme' }).map((text) => text.replace(/[\r\n]/g, ' '));
    const line = fc.constantFrom('\n', '\r\n', '\r');
    await fc.assert(
      fc.asyncProperty(fc.array(value), line, fc.array(fc.nat()), async (values, end, places) => {
        const text = values.map((one) => `data: ${one}${end}${end}`).join('');
        expect(await read(text, places)).toEqual(values);
      }),
    );
  });

  it('give up on a line without an end', async () => {
    await expect(read('data: '.padEnd(2 ** 20 + 10, 'x'))).rejects.toMatchObject({
      code: 'job_failed',
    });
  });
});
