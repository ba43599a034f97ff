/**
 * Submits: alone, in batches and at the same time, with and without idempotency keys, by accounts
 * of different plans. A key with the same body gives the same job; a hold never exceeds the day.
 */
import { expect } from 'vitest';
import type { JobSpec } from '#schema/job.ts';
import type { SubmitInput } from '../../rpc/account.ts';
import { pack, unpack } from '../../rpc/packed.ts';
import { SPEC, submitInput, submitTo } from '../../test/world.ts';
import { makeCommand } from './command.ts';
import type { Command } from './command.ts';
import type { Model } from './model.ts';
import type { System } from './system.ts';

/** What is asked for; `key` is an idempotency key or null. */
export interface Wish {
  readonly model: 'painter' | 'flux-dev' | 'sdxl';
  readonly size: 'small' | 'large';
  readonly key: string | null;
}

const SIZES = {
  small: { width: 512, height: 512, steps: 20, count: 1 },
  large: { width: 1024, height: 1024, steps: 140, count: 4 },
} as const;
/** By the price list: flux-dev costs twice what painter does, sdxl asks for more steps. */
const PRICES = {
  painter: { small: 250, large: 28_000 },
  'flux-dev': { small: 500, large: 56_000 },
  sdxl: { small: 167, large: 18_667 },
} as const;

type Answer = Awaited<ReturnType<typeof submitTo>>;

interface Submission {
  readonly wish: Wish;
  readonly input: SubmitInput;
  readonly body: string;
}

/** One submit. */
export function submit(account: number, wish: Wish): Command {
  return makeCommand(`submit(${account}, ${show(wish)})`, async (model, system) => {
    const submission = prepare(system, wish);
    const { object, caller } = system.accounts[account]!;
    const answer = await submitTo(object, caller, submission.input);
    new Admission(model, account).follow([submission], [answer]);
  });
}

/** Several jobs of one request. */
export function submitBatch(account: number, wishes: readonly Wish[]): Command {
  const title = `submitBatch(${account}, ${wishes.map(show).join(', ')})`;
  return makeCommand(title, async (model, system) => {
    const submissions = wishes.map((wish) => prepare(system, wish));
    const { object, caller } = system.accounts[account]!;
    const inputs = submissions.map(({ input }) => input);
    const answer = unpack(await object.submitAll(caller, pack(inputs)));
    const answers = answer.ok ? answer.value.jobs : inputs.map(() => answer);
    new Admission(model, account).follow(submissions, answers);
  });
}

/** The same wish several times at once, as a client does that lost patience. */
export function submitAtOnce(account: number, wish: Wish, times: number): Command {
  const title = `submitAtOnce(${account}, ${show(wish)}, ${times})`;
  return makeCommand(title, async (model, system) => {
    const submissions = Array.from({ length: times }, () => prepare(system, wish));
    const { object, caller } = system.accounts[account]!;
    const answers = await Promise.all(
      submissions.map(({ input }) => submitTo(object, caller, input)),
    );
    new Admission(model, account).follow(submissions, answers);
  });
}

function prepare(system: System, wish: Wish): Submission {
  const spec: JobSpec = { ...SPEC, ...SIZES[wish.size], model: wish.model };
  const body = `${wish.model} ${wish.size}`;
  const input = submitInput(system.pool, { spec, idempotencyKey: wish.key, bodyHash: body });
  return { wish, input, body };
}

function show({ model, size, key }: Wish): string {
  return `${size} ${model}${key === null ? '' : ` key ${key}`}`;
}

/** What the submits of one request, or of one instant, come to, in the order of their arrival. */
class Admission {
  readonly #model: Model;
  readonly #account: number;
  /** Held for a moment, and given back with the request: no agent can run them. */
  readonly #refused = new Map<string, string>();
  #passing = 0;

  constructor(model: Model, account: number) {
    this.#model = model;
    this.#account = account;
  }

  follow(submissions: readonly Submission[], answers: readonly Answer[]): void {
    expect(answers).toHaveLength(submissions.length);
    for (const [index, submission] of submissions.entries()) {
      this.#followOne(submission, answers[index]!);
    }
  }

  #followOne(submission: Submission, answer: Answer): void {
    const { plan, keys } = this.#model.accounts[this.#account]!;
    const { wish, body } = submission;
    if (plan === 'free') return expectRefusal(answer, 'plan_required');
    const before = wish.key === null ? undefined : keys.get(wish.key);
    if (before) {
      if (before.body !== body) return expectRefusal(answer, 'idempotency_conflict');
      expect(answer).toMatchObject({ ok: true, value: { replayed: true, jobId: before.jobId } });
      return;
    }
    const refusedBody = wish.key === null ? undefined : this.#refused.get(wish.key);
    if (refusedBody !== undefined) {
      const isSame = refusedBody === body;
      return expectRefusal(answer, isSame ? 'no_agent' : 'idempotency_conflict');
    }
    this.#admit(submission, answer);
  }

  #admit({ wish, input, body }: Submission, answer: Answer): void {
    const model = this.#model;
    const account = this.#account;
    const { jobsMax, keys } = model.accounts[account]!;
    const held = PRICES[wish.model][wish.size];
    const left = model.left(account);
    const { open } = model.ledger(account);
    if (!answer.ok && answer.error.reason === 'tokens_exhausted') {
      expect(left.least - this.#passing, 'tokens were left').toBeLessThan(held);
      return;
    }
    if (!answer.ok && answer.error.reason === 'too_many_jobs') {
      expect(open.most + this.#refused.size, 'jobs were allowed').toBeGreaterThanOrEqual(jobsMax);
      return;
    }
    expect(left.most - this.#passing, 'no tokens were left').toBeGreaterThanOrEqual(held);
    expect(open.least, 'too many jobs').toBeLessThan(jobsMax);
    if (!model.isServed(wish.model)) {
      expectRefusal(answer, 'no_agent');
      if (wish.key !== null) this.#refused.set(wish.key, body);
      this.#passing += held;
      return;
    }
    expect(answer).toMatchObject({
      ok: true,
      value: { replayed: false, job: { record: { id: input.jobId, status: 'queued' } } },
    });
    const { jobId } = input;
    const { steps } = SIZES[wish.size];
    model.accept({ id: jobId, account, model: wish.model, steps, held });
    if (wish.key !== null) keys.set(wish.key, { jobId, body });
  }
}

function expectRefusal(answer: Answer, reason: string): void {
  expect(answer).toMatchObject({ ok: false, error: { reason } });
}
