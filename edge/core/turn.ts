/**
 * Whose turn it is among the messages that a bot has to send or edit. Higher ranks first; within
 * a rank the chats in turn, and within a chat the oldest first. A message has one place: what is
 * newer of it takes the place of what is older.
 * The work to find the next grows with the chats that their pace holds back, never with all that
 * waits.
 */

/** `answer`: what a user waits for; `state`: that a job starts; `progress`: may be left out. */
export const RANKS = ['answer', 'state', 'progress'] as const;
export type Rank = (typeof RANKS)[number];

/** A message that has something to show. */
export interface Turn {
  readonly slot: string;
  readonly chat: string;
  readonly rank: Rank;
  /** Epoch ms; it came first at `since` and may not be tried before `notBefore`. */
  readonly since: number;
  readonly notBefore: number;
}

/** All that waits; see `emptyTurns`. */
export interface Turns {
  readonly lines: Readonly<Record<Rank, Map<string, Map<string, Turn>>>>;
  readonly bySlot: Map<string, Turn>;
}

/** Nothing waits. */
export function emptyTurns(): Turns {
  const lines = { answer: new Map(), state: new Map(), progress: new Map() };
  return { lines, bySlot: new Map() };
}

/** Puts a message in line; one that is there already keeps its place unless its rank changes. */
export function putTurn(turns: Turns, turn: Turn): void {
  const old = turns.bySlot.get(turn.slot);
  if (old && (old.rank !== turn.rank || old.chat !== turn.chat)) dropTurn(turns, turn.slot);
  const kept = { ...turn, since: Math.min(turn.since, old?.since ?? turn.since) };
  const line = turns.lines[turn.rank];
  const chat = line.get(turn.chat);
  if (chat) chat.set(turn.slot, kept);
  else line.set(turn.chat, new Map([[turn.slot, kept]]));
  turns.bySlot.set(turn.slot, kept);
}

/** How many answers wait in a chat. */
export function countAnswers(turns: Turns, chat: string): number {
  return turns.lines.answer.get(chat)?.size ?? 0;
}

/** How many messages wait, by rank. Looks at each chat once. */
export function countWaiting({ lines }: Turns): Record<Rank, number> {
  const count = (rank: Rank) =>
    [...lines[rank].values()].reduce((sum, waiting) => sum + waiting.size, 0);
  return { answer: count('answer'), state: count('state'), progress: count('progress') };
}

/** Takes a message out of the line. */
export function dropTurn(turns: Turns, slot: string): void {
  const turn = turns.bySlot.get(slot);
  if (!turn) return;
  turns.bySlot.delete(slot);
  const line = turns.lines[turn.rank];
  const chat = line.get(turn.chat);
  chat?.delete(slot);
  if (chat?.size === 0) line.delete(turn.chat);
}

/**
 * The message whose turn it is, which leaves the line; or when to ask again, Infinity for never.
 * `opens` tells when a chat may be called for a rank, or with null when any may; Infinity while
 * a call is under way, whose end asks again.
 */
export function takeTurn(
  turns: Turns,
  now: number,
  opens: (chat: string | null, rank: Rank) => number,
): { readonly turn: Turn } | { readonly at: number } {
  let at = Infinity;
  for (const rank of RANKS) {
    const line = turns.lines[rank];
    const anyAt = line.size === 0 ? Infinity : opens(null, rank);
    if (anyAt > now) {
      at = Math.min(at, anyAt);
      continue;
    }
    for (const [chat, waiting] of line) {
      const found = firstOf(waiting, now, opens(chat, rank));
      if ('turn' in found) {
        dropTurn(turns, found.turn.slot);
        moveToEnd(line, chat);
        return found;
      }
      at = Math.min(at, found.at);
    }
  }
  return { at };
}

function firstOf(
  waiting: ReadonlyMap<string, Turn>,
  now: number,
  opensAt: number,
): { readonly turn: Turn } | { readonly at: number } {
  if (opensAt > now) return { at: opensAt };
  let at = Infinity;
  for (const turn of waiting.values()) {
    if (turn.notBefore <= now) return { turn };
    at = Math.min(at, turn.notBefore);
  }
  return { at };
}

/** Since when the oldest of a rank waits, or null. Looks at one message of each chat. */
export function oldestSince(turns: Turns, rank: Rank): number | null {
  let oldest: number | null = null;
  for (const waiting of turns.lines[rank].values()) {
    const first = waiting.values().next();
    if (!first.done) oldest = Math.min(oldest ?? Infinity, first.value.since);
  }
  return oldest;
}

function moveToEnd(line: Map<string, Map<string, Turn>>, chat: string): void {
  const waiting = line.get(chat);
  if (!waiting) return;
  line.delete(chat);
  line.set(chat, waiting);
}
