/**
 * Parked long polls: one per agent and kind. They live in memory alone and set no timer: the
 * Worker that parked one disposes of it when the time is over or its client is gone; one that
 * came by a socket is kept with it (socket.ts). A poll that is about to end is passed over, since
 * its answer might not arrive. A new poll of the same agent answers the older one with nothing.
 */
import { RpcTarget } from 'cloudflare:workers';
import { POLL_MARGIN_MS } from '#schema/limits.ts';
import type { ParkedPoll } from '../rpc/scheduler.ts';

/** Of a short poll, such as one that asks ahead, no more than this is its margin. */
const MARGIN_SHARE_MAX = 0.25;

interface Waiter<Question, Answer> {
  readonly question: Question;
  /** Answered no later than this: an answer takes its time. */
  readonly openUntil: number;
  readonly resolve: (answer: Answer) => void;
}

/** When a poll was parked, epoch ms, and for how long. */
interface Span {
  readonly now: number;
  readonly waitMs: number;
}

/** The caller's end of a parked poll. */
class Parked<Answer> extends RpcTarget implements ParkedPoll<Answer> {
  readonly #answer: Promise<Answer>;
  readonly #leave: () => void;

  constructor(answer: Promise<Answer>, leave: () => void) {
    super();
    this.#answer = answer;
    this.#leave = leave;
  }

  wait(): Promise<Answer> {
    return this.#answer;
  }

  [Symbol.dispose](): void {
    this.#leave();
  }
}

/** The parked polls of one kind; see above. */
export class Waiters<Question, Answer> {
  readonly #byAgent = new Map<string, Waiter<Question, Answer>>();
  readonly #nothing: Answer;

  constructor(nothing: Answer) {
    this.#nothing = nothing;
  }

  /** Parks until `answer` is called for this agent, or its caller disposes of it. */
  park(agentId: string, question: Question, span: Span): ParkedPoll<Answer> {
    const { promise, resolve } = Promise.withResolvers<Answer>();
    return new Parked(promise, this.hold(agentId, { question, ...span }, resolve));
  }

  /** As `park`, with a function that is given the answer; call what is returned to give it up. */
  hold(
    agentId: string,
    { question, now, waitMs }: { readonly question: Question } & Span,
    resolve: (answer: Answer) => void,
  ): () => void {
    this.answer(agentId, this.#nothing);
    const openUntil = now + waitMs - Math.min(POLL_MARGIN_MS, waitMs * MARGIN_SHARE_MAX);
    const waiter = { question, openUntil, resolve };
    this.#byAgent.set(agentId, waiter);
    return () => {
      if (this.#byAgent.get(agentId) === waiter) this.#byAgent.delete(agentId);
    };
  }

  /** False when this agent is not parked. */
  answer(agentId: string, answer: Answer): boolean {
    const waiter = this.#byAgent.get(agentId);
    if (!waiter) return false;
    this.#byAgent.delete(agentId);
    waiter.resolve(answer);
    return true;
  }

  /** The polls that will still be there when an answer given at `now` arrives, oldest first. */
  *open(now: number): Generator<[agentId: string, question: Question]> {
    for (const [agentId, waiter] of this.#byAgent) {
      if (now <= waiter.openUntil) yield [agentId, waiter.question];
    }
  }
}
