import { describe, expect, it } from 'vitest';
import {
  AGENT_ONLINE_MS,
  AGENT_RECENT_MS,
  QUEUE_DEPTH_ACCOUNT_MAX,
  QUEUE_DEPTH_TIER_MAX,
  QUEUE_DEPTH_TOTAL_MAX,
} from '#schema/limits.ts';
import { LOAD_MS, START, TestPool, imageSpec, jobId, order } from './fixture.ts';
import { rangeOf } from './forecast.ts';
import type { Caller } from './queue.ts';
import { describeWait, placeOf, refuse } from './wait.ts';

const SERVICE_MS = 15_000;

/** A pool whose one agent can run x and y. */
function poolWithAgent() {
  const pool = new TestPool();
  const agent = pool.addAgent('agt_a', ['x', 'y']);
  return { pool, agent };
}

/** Job 1 of x runs; 2 of x, 3 of y and 4 of pro wait. */
function poolWithQueue() {
  const { pool, agent } = poolWithAgent();
  pool.enqueue(order(1, { spec: imageSpec('x') }));
  pool.acquire(agent);
  pool.enqueue(order(2, { spec: imageSpec('x') }));
  pool.enqueue(order(3, { spec: imageSpec('y') }));
  pool.enqueue(order(4, { spec: imageSpec('x'), tier: 'pro' }));
  return { pool, agent };
}

const newJob = (pool: TestPool, more: Parameters<typeof order>[1] = {}, now = START) =>
  placeOf(pool.state, order(99, { spec: imageSpec('x'), ...more }), now);

function report(pool: TestPool, agent: Caller, resident: readonly string[]): void {
  pool.run({ kind: 'renew', caller: agent, resident, leases: pool.holding(agent) });
}

describe('a waiting job', () => {
  it('knows its place and what goes first, by tier', () => {
    const { pool } = poolWithQueue();
    const third = pool.state.jobs.get(jobId(3))!;
    expect(describeWait(pool.state, START, third)).toMatchObject({
      position: 2,
      ahead: { admin: 0, pro: 1, starter: 0, free: 1 },
      aheadMs: { admin: 0, pro: SERVICE_MS, starter: 0, free: SERVICE_MS },
      agents: 1,
      modelState: 'cold',
      reason: 'Jobs that go first: 1 of higher plans and 1 of the same plan.',
    });
  });

  it('that is not in the queue yet stands where it would', () => {
    const { pool } = poolWithQueue();
    const told = describeWait(pool.state, START, newJob(pool));
    pool.enqueue(order(99, { spec: imageSpec('x') }));
    expect(told).toEqual(describeWait(pool.state, START, pool.state.jobs.get(jobId(99))!));
    expect(told.position).toBe(3);
  });

  it('is told a range of its start, later for more work ahead', () => {
    const { pool } = poolWithQueue();
    const [fourth, second, third] = [4, 2, 3].map((number) => {
      const entry = pool.state.jobs.get(jobId(number))!;
      return describeWait(pool.state, START, entry);
    });
    expect(second!.earliestStartAt).toBeGreaterThanOrEqual(START);
    expect(second!.latestStartAt).toBeGreaterThan(second!.earliestStartAt!);
    expect(third!.latestStartAt).toBeGreaterThan(second!.latestStartAt!);
    expect(second!.latestStartAt).toBeGreaterThan(fourth!.latestStartAt!);
  });

  it.each<[string, (pool: TestPool, agent: Caller) => void]>([
    ['It is next and starts at once.', (pool, agent) => report(pool, agent, ['x'])],
    ['It is next; x has to be loaded first.', (pool, agent) => report(pool, agent, ['y'])],
    [
      'It is next; a GPU is loading x.',
      (pool, agent) => {
        pool.enqueue(order(1, { spec: imageSpec('x') }));
        pool.acquire(agent);
      },
    ],
    [
      'It is next; the GPU is busy with another job.',
      (pool, agent) => {
        pool.enqueue(order(1, { spec: imageSpec('x') }));
        pool.acquire(agent);
        report(pool, agent, ['x']);
      },
    ],
    [
      'Jobs that go first: 1 of the same plan.',
      (pool) => pool.enqueue(order(1, { spec: imageSpec('y') })),
    ],
    [
      'Jobs that go first: 2 of higher plans.',
      (pool) => {
        pool.enqueue(order(1, { tier: 'pro' }));
        pool.enqueue(order(2, { tier: 'starter' }));
      },
    ],
    [
      'No GPU that can run x is online; the job starts when one returns.',
      (pool, agent) => pool.apply([{ kind: 'agent_drained', agentId: agent.agentId }]),
    ],
  ])('is told: %s', (reason, prepare) => {
    const { pool, agent } = poolWithAgent();
    prepare(pool, agent);
    expect(describeWait(pool.state, START, newJob(pool)).reason).toBe(reason);
  });

  it('is told no start when nobody that can run it is online', () => {
    const { pool } = poolWithQueue();
    const entry = pool.state.jobs.get(jobId(2))!;
    expect(describeWait(pool.state, START + AGENT_ONLINE_MS - 1, entry).agents).toBe(1);
    expect(describeWait(pool.state, START + AGENT_ONLINE_MS, entry)).toMatchObject({
      agents: 0,
      earliestStartAt: null,
      latestStartAt: null,
    });
  });
});

describe('a new job is refused', () => {
  it('when no agent with its model was heard of lately', () => {
    const { pool } = poolWithQueue();
    expect(refuse(pool.state, START, newJob(pool, { spec: imageSpec('flux-dev') }))).toEqual({
      reason: 'no_agent',
      model: 'flux-dev',
      online: ['x', 'y'],
    });
    const late = START + AGENT_RECENT_MS;
    expect(refuse(pool.state, late - 1, newJob(pool))).toBeNull();
    expect(refuse(pool.state, late, newJob(pool))).toMatchObject({
      reason: 'no_agent',
      online: [],
    });
  });

  it('when its account has too many open jobs, and told to come back at its next start', () => {
    const { pool, agent } = poolWithAgent();
    report(pool, agent, ['x']);
    for (let number = 1; number <= QUEUE_DEPTH_ACCOUNT_MAX; number += 1) {
      expect(refuse(pool.state, START, newJob(pool))).toBeNull();
      pool.enqueue(order(number, { spec: imageSpec('x') }));
    }
    const refusal = refuse(pool.state, START, newJob(pool));
    const scope = { reason: 'queue_full', scope: 'account', limit: QUEUE_DEPTH_ACCOUNT_MAX };
    expect(refusal).toMatchObject(scope);
    const { earliestStartAt } = describeWait(pool.state, START, newJob(pool));
    expect(refusal).toMatchObject({ retryAfterMs: earliestStartAt! - START });
    expect(refuse(pool.state, START, newJob(pool, { accountId: 'acc_b' }))).toBeNull();
  });

  it.each([
    ['tier', 'free', QUEUE_DEPTH_TIER_MAX],
    ['total', 'pro', QUEUE_DEPTH_TOTAL_MAX],
  ] as const)('when its %s is full', (scope, fullTier, limit) => {
    const { pool } = poolWithAgent();
    pool.state.waitingCount[fullTier] = limit - 1;
    expect(refuse(pool.state, START, newJob(pool))).toBeNull();
    pool.state.waitingCount[fullTier] = limit;
    expect(refuse(pool.state, START, newJob(pool))).toMatchObject({ scope, limit });
  });

  it('for a full queue rather than for want of an agent, told to come back in a while', () => {
    const pool = new TestPool();
    pool.state.waitingCount.free = QUEUE_DEPTH_TIER_MAX;
    expect(refuse(pool.state, START, newJob(pool))).toMatchObject({
      reason: 'queue_full',
      retryAfterMs: 60_000,
    });
  });

  it('exactly when its earliest start is past its deadline, told when that is', () => {
    const { pool } = poolWithQueue();
    const { earliestStartAt } = describeWait(pool.state, START, newJob(pool));
    expect(earliestStartAt).toBeGreaterThan(START + 1000);
    expect(refuse(pool.state, START, newJob(pool, { deadlineAt: earliestStartAt }))).toBeNull();
    expect(refuse(pool.state, START, newJob(pool, { deadlineAt: earliestStartAt! - 1 }))).toEqual({
      reason: 'deadline_unreachable',
      earliestStartAt,
      retryAfterMs: earliestStartAt! - START,
    });
  });

  it('never with less than a second to come back in', () => {
    const { pool, agent } = poolWithAgent();
    report(pool, agent, ['x']);
    pool.state.waitingCount.free = QUEUE_DEPTH_TIER_MAX;
    expect(refuse(pool.state, START, newJob(pool))).toMatchObject({ retryAfterMs: 1000 });
  });
});

describe('a job with a deadline', () => {
  it('is taken while no agent is online but one was lately', () => {
    const { pool } = poolWithAgent();
    const now = START + AGENT_ONLINE_MS + 1;
    expect(refuse(pool.state, now, newJob(pool, { deadlineAt: now + 1 }, now))).toBeNull();
  });

  it('remembers the wait that was foreseen when it came', () => {
    const { pool } = poolWithAgent();
    pool.enqueue(order(1, { spec: imageSpec('x') }));
    const { foreseenMs } = pool.state.jobs.get(jobId(1))!;
    expect(foreseenMs).toBe(LOAD_MS);
    const { earliestStartAt } = describeWait(new TestPool().state, START, newJob(pool));
    expect(earliestStartAt).toBeNull();
    expect(rangeOf(pool.state.errors, foreseenMs!).mostMs).toBeGreaterThan(LOAD_MS);
  });
});
