/**
 * Parked long polls: one per agent and kind. They live in memory alone and set no timer: the
 * Worker that parked one answers its caller when the time is over, and here it is only skipped
 * from then on. A new poll of the same agent answers the older one with nothing.
 */
import { POLL_MARGIN_MS } from '#schema/limits.ts';

interface Waiter<Question, Answer> {
  readonly question: Question;
  readonly deadline: number;
  readonly resolve: (answer: Answer) => void;
}

export class Waiters<Question, Answer> {
  readonly #byAgent = new Map<string, Waiter<Question, Answer>>();
  readonly #nothing: Answer;

  constructor(nothing: Answer) {
    this.#nothing = nothing;
  }

  /** Parks until `answer` is called for this agent. */
  park(agentId: string, question: Question, deadline: number): Promise<Answer> {
    this.answer(agentId, this.#nothing);
    return new Promise((resolve) => {
      this.#byAgent.set(agentId, { question, deadline, resolve });
    });
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
      if (now + POLL_MARGIN_MS <= waiter.deadline) yield [agentId, waiter.question];
    }
  }
}
