import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dropTurn, emptyTurns, oldestSince, putTurn, takeTurn } from './turn.ts';
import type { Rank, Turn } from './turn.ts';

const ALWAYS = () => 0;

function turn(slot: string, chat: string, more: Partial<Turn> = {}): Turn {
  return { slot, chat, rank: 'answer', since: 0, notBefore: 0, ...more };
}

function take(turns: ReturnType<typeof emptyTurns>, now = 0, opens: () => number = ALWAYS) {
  const found = takeTurn(turns, now, opens);
  return 'turn' in found ? found.turn.slot : found.at;
}

describe('whose turn it is', () => {
  it('answers go before states, and states before progress', () => {
    const turns = emptyTurns();
    putTurn(turns, turn('p', 'a', { rank: 'progress' }));
    putTurn(turns, turn('s', 'b', { rank: 'state' }));
    putTurn(turns, turn('a', 'c'));
    expect([take(turns), take(turns), take(turns), take(turns)]).toEqual(['a', 's', 'p', Infinity]);
  });

  it('chats take turns, however much one of them has', () => {
    const turns = emptyTurns();
    for (const slot of ['a1', 'a2', 'a3']) putTurn(turns, turn(slot, 'a'));
    putTurn(turns, turn('b1', 'b'));
    expect([take(turns), take(turns), take(turns)]).toEqual(['a1', 'b1', 'a2']);
  });

  it('a chat that is held back is passed by the others', () => {
    const turns = emptyTurns();
    putTurn(turns, turn('a1', 'a'));
    putTurn(turns, turn('b1', 'b'));
    const opens = (chat: string | null) => (chat === 'a' ? 700 : 0);
    expect(takeTurn(turns, 0, opens)).toMatchObject({ turn: { slot: 'b1' } });
    expect(takeTurn(turns, 0, opens)).toEqual({ at: 700 });
  });

  it('a message that pauses is passed by the next of its chat', () => {
    const turns = emptyTurns();
    putTurn(turns, turn('a1', 'a', { notBefore: 500 }));
    putTurn(turns, turn('a2', 'a'));
    expect([take(turns), take(turns)]).toEqual(['a2', 500]);
  });

  it('news of a message keeps its place, unless they press more', () => {
    const turns = emptyTurns();
    putTurn(turns, turn('a', 'a', { rank: 'state', since: 5 }));
    putTurn(turns, turn('b', 'b', { rank: 'state', since: 6 }));
    putTurn(turns, turn('a', 'a', { rank: 'state', since: 9 }));
    putTurn(turns, turn('b', 'b', { since: 9 }));
    expect(oldestSince(turns, 'answer')).toBe(6);
    expect([take(turns), take(turns)]).toEqual(['b', 'a']);
  });

  it('a message that was dropped has none', () => {
    const turns = emptyTurns();
    putTurn(turns, turn('a', 'a'));
    dropTurn(turns, 'a');
    expect(take(turns)).toBe(Infinity);
  });
});

it('every message comes once, whatever was put in whichever order', () => {
  const ranks: Rank[] = ['answer', 'state', 'progress'];
  const puts = fc.array(
    fc.record({ slot: fc.nat(20), chat: fc.nat(5), rank: fc.constantFrom(...ranks) }),
  );
  fc.assert(
    fc.property(puts, (given) => {
      const turns = emptyTurns();
      for (const { slot, chat, rank } of given)
        putTurn(turns, turn(`${slot}`, `${chat}`, { rank }));
      const taken: unknown[] = [];
      for (let slot = take(turns); slot !== Infinity; slot = take(turns)) taken.push(slot);
      const wanted = new Set(given.map(({ slot }) => `${slot}`));
      expect(taken).toHaveLength(wanted.size);
      expect(new Set(taken)).toEqual(wanted);
      expect(turns.bySlot.size).toBe(0);
    }),
  );
});
