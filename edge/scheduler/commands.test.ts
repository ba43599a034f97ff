import fc from 'fast-check';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { PLANS } from '#schema/plan.ts';
import type { PlanId } from '#schema/plan.ts';
import * as agent from './commands/agent.ts';
import * as fault from './commands/fault.ts';
import { finish } from './commands/finish.ts';
import { Model } from './commands/model.ts';
import { submit, submitAtOnce, submitBatch } from './commands/submit.ts';
import { System } from './commands/system.ts';
import type { Gear } from './commands/system.ts';
import { cancel, cancelAsStranger } from './commands/user.ts';

const ACCOUNTS: readonly PlanId[] = ['pro', 'starter', 'free'];
const AGENTS: readonly Gear[] = [
  { models: ['painter'], batchMax: 1 },
  { models: ['painter', 'flux-dev'], batchMax: 3 },
  { models: ['flux-dev', 'sdxl'], batchMax: 1 },
];
const RUNS = 25;
const COMMANDS_MAX = 50;
/** Time to find a failure and to shrink it. */
const TEST_MS = 120_000;

const who = fc.nat(AGENTS.length - 1);
const whose = fc.constantFrom(0, 0, 0, 1, 1, 1, 2);
const draw = fc.nat(50);
const wish = fc.record({
  model: fc.constantFrom('painter', 'painter', 'flux-dev', 'sdxl'),
  size: fc.constantFrom('small', 'small', 'small', 'large'),
  key: fc.constantFrom(null, null, 'a', 'b'),
});
const how = fc.constantFrom('complete', 'complete', 'fail_retryable', 'fail_finally', 'return');
const more = fc.record({ steps: fc.constantFrom(0, 5, 20, 140), asksNext: fc.boolean() });
const waitMs = fc.constantFrom(20_000, 50_000, 50_000, 91_000, 600_000);

const submits = [
  fc.tuple(whose, wish).map((args) => submit(...args)),
  fc
    .tuple(whose, fc.array(wish, { minLength: 1, maxLength: 4 }))
    .map((args) => submitBatch(...args)),
  fc.tuple(whose, wish, fc.integer({ min: 2, max: 4 })).map((args) => submitAtOnce(...args)),
];
const calls = [
  fc.tuple(who, fc.boolean()).map((args) => agent.acquire(...args)),
  who.map((index) => agent.acquire(index, false)),
  fc.constant(agent.acquireAtOnce()),
  fc.tuple(who, draw).map((args) => agent.renew(...args)),
  fc.tuple(draw, how, more).map((args) => agent.end(...args)),
  fc.tuple(draw, how, more).map((args) => agent.end(...args)),
  fc.tuple(draw, how, more).map((args) => agent.end(...args)),
  fc.tuple(who, how, draw).map((args) => agent.endStale(...args)),
];
const rare = fc.oneof(
  draw.map(cancelAsStranger),
  fc.constant(fault.fireAlarms()),
  fc.constant(fault.waitForDays()),
  who.map(agent.registerAgain),
  fc.constantFrom(...ACCOUNTS.keys()).map(fault.evict),
);
const orders = fc.oneof(who.map(fault.drain), who.map(fault.drain), who.map(fault.revoke));
const commands = fc.commands(
  [
    ...submits,
    ...submits,
    ...calls,
    ...calls,
    draw.map(cancel),
    draw.map(cancel),
    fc.tuple(who, fc.boolean()).map((args) => agent.restart(...args)),
    fc.integer({ min: 1, max: 6 }).map(agent.runOn),
    fc.tuple(waitMs, fc.boolean()).map((args) => fault.wait(...args)),
    fc.constant(fault.evict('scheduler')),
    orders,
    rare,
  ],
  { maxCommands: COMMANDS_MAX, size: 'max' },
);

async function start(): Promise<{ model: Model; real: System }> {
  const real = await System.start(ACCOUNTS, AGENTS);
  const accounts = ACCOUNTS.map((plan) => {
    const { dailyMillitokens: limit, jobsOpenMax: jobsMax } = PLANS[plan];
    return { plan, limit, jobsMax, keys: new Map() };
  });
  const agents = AGENTS.map(({ models }) => {
    return { models, heard: new Set<string>(), isDraining: false, isRevoked: false };
  });
  const model = new Model(accounts, agents);
  model.now = real.now;
  return { model, real };
}

beforeEach(() => {
  // Each run logs a line for every job and session; the counterexample says more.
  vi.spyOn(console, 'log').mockImplementation(() => {});
  vi.spyOn(console, 'warn').mockImplementation(() => {});
});
afterEach(() => {
  vi.restoreAllMocks();
});

it(
  'keeps its word to users and agents whatever they call, and however it is disturbed',
  async () => {
    await fc.assert(
      fc.asyncProperty(commands, async (sequence) => {
        const { model, real } = await start();
        try {
          await fc.asyncModelRun(() => ({ model, real }), sequence);
          await finish(model, real);
        } finally {
          real.stop();
        }
        expect(model.now).toBe(real.now);
      }),
      // What shrinking has come to by then is shown, rather than nothing.
      { numRuns: RUNS, interruptAfterTimeLimit: TEST_MS - 20_000 },
    );
  },
  TEST_MS,
);
