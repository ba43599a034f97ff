import { describe, expect, it } from 'vitest';
import { BYPASS_MAX } from '#schema/limits.ts';
import { START, TestPool, imageSpec, jobId, order } from './fixture.ts';

const PAINTER = imageSpec('painter');
const SDXL = imageSpec('sdxl');

describe('the choice for an idle agent', () => {
  it('is of the highest tier that waits, however old the others are', () => {
    const pool = new TestPool();
    const agent = pool.addAgent('agt_a', ['painter']);
    pool.enqueue(order(1));
    pool.enqueue(order(2, { tier: 'starter' }));
    pool.enqueue(order(3, { tier: 'pro' }));
    pool.enqueue(order(4, { tier: 'admin' }));
    const got = [4, 3, 2, 1].map((number) => [pool.acquire(agent)?.jobId, jobId(number)] as const);
    // An agent holds two leases at most.
    expect(got[0]![0]).toBe(got[0]![1]);
    expect(got[1]![0]).toBe(got[1]![1]);
    expect(got[2]![0]).toBeUndefined();
  });

  it('is the oldest of its tier', () => {
    const pool = new TestPool();
    const agent = pool.addAgent('agt_a', ['painter', 'sdxl']);
    pool.enqueue(order(1, { spec: SDXL }));
    pool.enqueue(order(2));
    expect(pool.acquire(agent)?.jobId).toBe(jobId(1));
  });

  it('is nothing of what the agent cannot run', () => {
    const pool = new TestPool();
    const agent = pool.addAgent('agt_a', ['painter']);
    pool.enqueue(order(1, { spec: SDXL }));
    expect(pool.acquire(agent)).toBeNull();
    pool.enqueue(order(2));
    expect(pool.acquire(agent)?.jobId).toBe(jobId(2));
  });

  it('prefers a loaded model, but passes over the same head a bounded number of times', () => {
    const pool = new TestPool();
    const agent = pool.addAgent('agt_a', ['painter', 'sdxl']);
    pool.enqueue(order(1, { spec: SDXL }));
    const hot = BYPASS_MAX + 3;
    for (let number = 2; number < 2 + hot; number++) pool.enqueue(order(number, { spec: PAINTER }));
    const got: string[] = [];
    for (let count = 0; count < hot + 1; count++) {
      const lease = pool.acquire(agent, START, ['painter'])!;
      got.push(lease.jobId);
      pool.complete(agent, lease);
    }
    expect(got.indexOf(jobId(1))).toBe(BYPASS_MAX);
    expect(new Set(got).size).toBe(hot + 1);
  });

  it('is nothing for an agent that drains', () => {
    const pool = new TestPool();
    const agent = pool.addAgent('agt_a', ['painter']);
    pool.enqueue(order(1));
    pool.apply([{ kind: 'agent_drained', agentId: agent.agentId }]);
    expect(pool.acquire(agent)).toBeNull();
  });
});
