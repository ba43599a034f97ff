import { describe, expect, it } from 'vitest';
import { AGENT_ONLINE_MS, AGENT_RECENT_MS, QUEUE_DEPTH_ACCOUNT_MAX } from '#schema/limits.ts';
import { START, TestPool, imageSpec, jobId, order } from './fixture.ts';
import { describeWait, refuse } from './wait.ts';

const NEW = {
  accountId: 'acc_a',
  tier: 'free' as const,
  model: 'painter',
  place: Infinity,
  deadlineAt: null,
};

function poolWithQueue() {
  const pool = new TestPool();
  const agent = pool.addAgent('agt_a', ['painter', 'sdxl']);
  pool.enqueue(order(1));
  pool.acquire(agent);
  pool.enqueue(order(2));
  pool.enqueue(order(3, { spec: imageSpec('sdxl') }));
  pool.enqueue(order(4, { tier: 'pro' }));
  return pool;
}

describe('a waiting job', () => {
  it('knows its place and what goes first, by tier', () => {
    const pool = poolWithQueue();
    const third = pool.state.jobs.get(jobId(3))!;
    expect(describeWait(pool.state, START, third)).toMatchObject({
      position: 2,
      ahead: { admin: 0, pro: 1, starter: 0, free: 1 },
      reason: 'Jobs that go first: 1 of higher plans and 1 that came earlier.',
    });
    const paid = pool.state.jobs.get(jobId(4))!;
    expect(describeWait(pool.state, START, paid)).toMatchObject({
      position: 1,
      reason: 'It is next; the GPU is busy with another job.',
    });
  });

  it('is told a range of its start, later for more work ahead', () => {
    const pool = poolWithQueue();
    const [second, third] = [2, 3].map((number) => {
      const entry = pool.state.jobs.get(jobId(number))!;
      return describeWait(pool.state, START, entry);
    });
    expect(second!.earliestStartAt).toBeGreaterThanOrEqual(START);
    expect(second!.latestStartAt).toBeGreaterThan(second!.earliestStartAt!);
    expect(third!.latestStartAt).toBeGreaterThan(second!.latestStartAt!);
  });

  it('is told when nobody can run it', () => {
    const pool = poolWithQueue();
    const entry = pool.state.jobs.get(jobId(2))!;
    const waiting = describeWait(pool.state, START + AGENT_ONLINE_MS, entry);
    expect(waiting.earliestStartAt).toBeNull();
    expect(waiting.reason).toContain('No GPU that can run painter is online');
  });
});

describe('a new job is refused', () => {
  it('when no agent with its model was heard of lately', () => {
    const pool = poolWithQueue();
    expect(refuse(pool.state, START, { ...NEW, model: 'flux-dev' })).toEqual({
      reason: 'no_agent',
      model: 'flux-dev',
      online: ['painter', 'sdxl'],
    });
    expect(refuse(pool.state, START + AGENT_RECENT_MS - 1, NEW)).toBeNull();
    expect(refuse(pool.state, START + AGENT_RECENT_MS, NEW)?.reason).toBe('no_agent');
  });

  it('when its account has too many open jobs', () => {
    const pool = new TestPool();
    pool.addAgent('agt_a', ['painter']);
    for (let number = 1; number <= QUEUE_DEPTH_ACCOUNT_MAX; number++) pool.enqueue(order(number));
    expect(refuse(pool.state, START, NEW)).toMatchObject({
      reason: 'queue_full',
      scope: 'account',
    });
    expect(refuse(pool.state, START, { ...NEW, accountId: 'acc_b' })).toBeNull();
  });

  it('when it cannot start before its deadline', () => {
    const pool = poolWithQueue();
    const refusal = refuse(pool.state, START, { ...NEW, deadlineAt: START + 1 });
    expect(refusal?.reason).toBe('deadline_unreachable');
    expect(refuse(pool.state, START, { ...NEW, deadlineAt: START + 3_600_000 })).toBeNull();
  });
});
