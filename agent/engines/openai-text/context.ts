/**
 * Fits a conversation into what the model reads at once, on purpose instead of leaving it to the
 * server, which would cut off the system prompt first: system messages and the last message
 * stay, the oldest turns go. How long a conversation is, the server's tokenizer says.
 */
import type { TextSpec } from '#schema/job.ts';
import { refused } from '../server/fault.ts';

export type Message = TextSpec['messages'][number];

/** Tokens kept free for what a template adds at the end. */
const MARGIN = 16;
/** A shorter answer is of no use, unless it was asked for. */
const ANSWER_TOKENS_MIN = 64;

export interface Fit {
  readonly messages: readonly Message[];
  /** Messages that were left out. */
  readonly dropped: number;
  /** Tokens that the answer may have. */
  readonly maxTokens: number;
  readonly promptTokens: number;
}

interface Room {
  /** What the model reads and writes together. */
  readonly contextTokens: number;
  /** What was asked for. */
  readonly maxTokens: number;
  /** Tokens of a conversation, its template included; never fewer for more messages. */
  readonly count: (messages: readonly Message[]) => Promise<number>;
}

/** The most of a conversation that leaves room for an answer; rejects when even the least does not. */
export async function fitMessages(messages: readonly Message[], room: Room): Promise<Fit> {
  const { contextTokens, maxTokens, count } = room;
  // Half of the context at most is kept for the answer, so that a long one does not cost all turns.
  const answerTokens = Math.min(maxTokens, Math.floor(contextTokens / 2));
  const promptMax = contextTokens - MARGIN - answerTokens;
  const shorter = shorterOnes(messages);
  const counts = new Map<number, number>();
  const countAt = async (index: number): Promise<number> => {
    const known = counts.get(index) ?? (await count(shorter[index]!));
    counts.set(index, known);
    return known;
  };
  let low = 0;
  let high = shorter.length - 1;
  if ((await countAt(0)) <= promptMax) high = 0;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if ((await countAt(middle)) <= promptMax) high = middle;
    else low = middle + 1;
  }
  const promptTokens = await countAt(low);
  const free = contextTokens - MARGIN - promptTokens;
  if (free < Math.min(maxTokens, ANSWER_TOKENS_MIN)) {
    const what = `${promptTokens} tokens of ${contextTokens}`;
    throw refused(`the last message and the system prompt alone take ${what}: shorten them`);
  }
  const kept = shorter[low]!;
  const dropped = messages.length - kept.length;
  return { messages: kept, dropped, promptTokens, maxTokens: Math.min(maxTokens, free) };
}

/** The conversation, then with ever more of its oldest turns left out. */
export function shorterOnes(messages: readonly Message[]): readonly (readonly Message[])[] {
  const last = messages.length - 1;
  const all: (readonly Message[])[] = [messages];
  let from = 0;
  while (from < last) {
    // An answer goes with what it answers.
    do from++;
    while (from < last && messages[from]!.role === 'assistant');
    const kept = messages.filter(({ role }, index) => index >= from || role === 'system');
    if (kept.length < all.at(-1)!.length) all.push(kept);
  }
  return all;
}

/** One sentence for the user about what was left out. */
export function describeDropped(dropped: number, contextTokens: number | null): string {
  const memory = contextTokens === null ? '' : ` (${contextTokens} tokens)`;
  const what = dropped === 1 ? 'message was' : `${dropped} messages were`;
  return `The oldest ${what} left out of this conversation: it is longer than what the model reads at once${memory}. Start a new conversation, or repeat what still matters.\n`;
}
