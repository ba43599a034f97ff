import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ATTEMPTS_MAX, JOB_RUN_MS_MAX, LEASE_MS, RETURNS_MAX } from '#schema/limits.ts';
import { isTerminal } from '#schema/job.ts';
import { START, TestPool, imageSpec, jobId, order, picture } from './fixture.ts';
import { violations } from './invariants.ts';
import { nextTickAt } from './lease.ts';
import { decide } from './queue.ts';
import type { Caller } from './queue.ts';
import { evolve } from './evolve.ts';
import { emptyState } from './state.ts';

function poolWithAgent() {
  const pool = new TestPool();
  const agent = pool.addAgent('agt_a', ['painter']);
  return { pool, agent };
}

/** A pool whose job 1 runs under `lease`. */
function running() {
  const { pool, agent } = poolWithAgent();
  pool.enqueue(order(1));
  const lease = pool.acquire(agent)!;
  return { pool, agent, lease, entry: pool.state.jobs.get(jobId(1))! };
}

describe('enqueue', () => {
  it('takes a job once however often it is offered', () => {
    const { pool } = poolWithAgent();
    pool.enqueue(order(1));
    expect(pool.run({ kind: 'enqueue', order: order(1), cancelled: false })).toEqual([]);
    expect(pool.state.jobs.size).toBe(1);
  });

  it('ends a job at once that was cancelled before it came', () => {
    const { pool } = poolWithAgent();
    pool.run({ kind: 'enqueue', order: order(1), cancelled: true });
    expect(pool.state.jobs.get(jobId(1))?.status).toBe('cancelled');
  });
});

describe('a repeated offer', () => {
  it('that says cancelled cancels the job it finds', () => {
    const { pool } = poolWithAgent();
    pool.enqueue(order(1));
    pool.run({ kind: 'enqueue', order: order(1), cancelled: true });
    expect(pool.state.jobs.get(jobId(1))?.status).toBe('cancelled');
  });

  it('that says cancelled asks a running job to stop', () => {
    const { pool, entry } = running();
    pool.run({ kind: 'enqueue', order: order(1), cancelled: true });
    expect(entry).toMatchObject({ status: 'running', cancelRequestedAt: START });
  });
});

describe('leases', () => {
  it('refuses a completion with a stale fencing token', () => {
    const { pool, agent, lease } = running();
    pool.run({ kind: 'tick' }, START + LEASE_MS);
    const again = pool.acquire(agent, START + LEASE_MS)!;
    expect(again.fencingToken).toBeGreaterThan(lease.fencingToken);
    const late = { kind: 'complete' as const, artifacts: [], ...pool.attempt(agent, lease) };
    expect(decide(pool.state, START + LEASE_MS, late)).toEqual({
      ok: false,
      error: { reason: 'lease_lost', lease },
    });
  });

  it('refuses a completion of a lapsed lease while the job waits again', () => {
    const { pool, agent, lease } = running();
    pool.run({ kind: 'tick' }, START + LEASE_MS);
    const late = { kind: 'complete' as const, artifacts: [], ...pool.attempt(agent, lease) };
    expect(decide(pool.state, START + LEASE_MS, late).ok).toBe(false);
  });

  it('lapse exactly at their end and not before', () => {
    const { pool, entry } = running();
    expect(nextTickAt(pool.state)).toBe(START + LEASE_MS);
    pool.run({ kind: 'tick' }, START + LEASE_MS - 1);
    expect(entry.status).toBe('running');
    pool.run({ kind: 'tick' }, START + LEASE_MS);
    expect(entry.status).toBe('queued');
  });

  it('live on with heartbeats', () => {
    const { pool, agent, lease, entry } = running();
    pool.run({ kind: 'renew', caller: agent, resident: [], leases: [lease] }, START + LEASE_MS - 1);
    pool.run({ kind: 'tick' }, START + LEASE_MS);
    expect(entry.status).toBe('running');
  });

  it('get no more time from heartbeats once the run is too long or cancelled', () => {
    const { pool, agent, lease, entry } = running();
    const late = START + JOB_RUN_MS_MAX + 1;
    expect(pool.run({ kind: 'renew', caller: agent, resident: [], leases: [lease] }, late)).toEqual(
      [expect.objectContaining({ kind: 'agent_seen' })],
    );
    pool.run({ kind: 'cancel', jobId: lease.jobId });
    pool.run({ kind: 'renew', caller: agent, resident: [], leases: [lease] }, START + 1000);
    expect(entry.lease?.expiresAt).toBe(START + LEASE_MS);
  });

  it('are given again under a new token when their answer was lost', () => {
    const { pool, agent, lease, entry } = running();
    pool.run(
      { kind: 'acquire', caller: agent, resident: [], holding: [], busyMs: 0 },
      START + 1000,
    );
    expect(entry.fencingToken).toBe(lease.fencingToken + 1);
    expect(entry.attempt).toBe(1);
  });

  it('go over to a new session that still has their work, and only to it', () => {
    const { pool, agent, lease, entry } = running();
    const renewed: Caller = { ...agent, sessionId: 'second' };
    const capabilities = { gpu: null, engines: [] };
    pool.run({ kind: 'register', caller: renewed, capabilities, holding: [lease] });
    expect(entry.status).toBe('running');
    const old = { kind: 'complete' as const, artifacts: [], ...pool.attempt(agent, lease) };
    expect(decide(pool.state, START, old)).toEqual({
      ok: false,
      error: { reason: 'not_registered' },
    });
    pool.complete(renewed, lease);
    expect(entry.status).toBe('completed');
  });

  it('are kept by a repeat of the same registration', () => {
    const { pool, agent, entry } = running();
    pool.register(agent, ['painter']);
    expect(entry.status).toBe('running');
  });

  it('of a process that died are given up when its successor registers', () => {
    const { pool, agent, entry } = running();
    const renewed: Caller = { ...agent, sessionId: 'second' };
    pool.register(renewed, ['painter']);
    expect(entry.status).toBe('queued');
    expect(entry.attempt).toBe(1);
  });
});

describe('attempts', () => {
  it(`end after ${ATTEMPTS_MAX} lost leases in a failure that costs nothing`, () => {
    const { pool, agent, entry } = running();
    let now = START;
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      expect(entry.attempt).toBe(attempt);
      now += LEASE_MS;
      pool.run({ kind: 'tick' }, now);
      pool.acquire(agent, now);
    }
    expect(entry.status).toBe('failed');
    expect(pool.changes.at(-2)).toMatchObject({
      kind: 'job_ended',
      outcome: { settledMillitokens: 0, error: { code: 'attempts_exhausted' } },
    });
  });

  it('are not counted when a job is handed back, up to a bound', () => {
    const { pool, agent, entry } = running();
    let returns = 0;
    while (entry.status === 'running' && returns < RETURNS_MAX * 2) {
      const lease = { jobId: entry.id, fencingToken: entry.fencingToken };
      pool.run({ kind: 'return', ...pool.attempt(agent, lease) });
      returns += 1;
      if (returns === RETURNS_MAX) expect(entry.attempt).toBe(0);
      pool.acquire(agent);
    }
    expect(entry.status).toBe('failed');
  });

  it('keep the place of their job in the queue', () => {
    const { pool, agent, lease } = running();
    pool.enqueue(order(2));
    pool.run({ kind: 'return', ...pool.attempt(agent, lease) });
    expect(pool.acquire(agent)?.jobId).toBe(jobId(1));
  });

  it.each([
    [true, 'queued'],
    [false, 'failed'],
  ] as const)('after a failure (retryable: %s) leave the job %s', (retryable, status) => {
    const { pool, agent, lease, entry } = running();
    const failure = { kind: 'fail' as const, code: 'job_failed' as const, retryable };
    pool.run({ ...failure, ...pool.attempt(agent, lease) });
    expect(entry.status).toBe(status);
  });
});

describe('cancel', () => {
  it('ends a waiting job at once, for nothing', () => {
    const { pool } = poolWithAgent();
    pool.enqueue(order(1));
    pool.run({ kind: 'cancel', jobId: jobId(1) });
    expect(pool.changes.at(-1)).toMatchObject({
      kind: 'job_ended',
      outcome: { status: 'cancelled', settledMillitokens: 0 },
    });
  });

  it('of a running job settles the steps that were done and drops the result', () => {
    const { pool, agent, lease } = running();
    pool.run({ kind: 'cancel', jobId: lease.jobId });
    pool.run({
      kind: 'complete',
      artifacts: [picture()],
      ...pool.attempt(agent, lease),
      usage: { steps: 5 },
    });
    expect(pool.changes.at(-1)).toMatchObject({
      outcome: { status: 'cancelled', settledMillitokens: 250, artifacts: [] },
    });
  });

  it('never lets the job run again, even when its agent is gone', () => {
    const { pool, lease, entry } = running();
    pool.run({ kind: 'cancel', jobId: lease.jobId });
    pool.run({ kind: 'tick' }, START + LEASE_MS);
    expect(entry.status).toBe('cancelled');
  });

  it('ends a lease whose grant was never heard of', () => {
    const { pool, agent, lease, entry } = running();
    pool.run({ kind: 'cancel', jobId: lease.jobId });
    pool.run({ kind: 'acquire', caller: agent, resident: [], holding: [], busyMs: 0 });
    expect(entry.status).toBe('cancelled');
  });
});

describe('deadlines', () => {
  it('fail a job that has not started by then', () => {
    const { pool } = poolWithAgent();
    pool.enqueue(order(1, { deadlineAt: START + 5000 }));
    expect(nextTickAt(pool.state)).toBe(START + 5001);
    pool.run({ kind: 'tick' }, START + 5000);
    expect(pool.state.jobs.get(jobId(1))?.status).toBe('queued');
    pool.run({ kind: 'tick' }, START + 5001);
    expect(pool.state.jobs.get(jobId(1))?.status).toBe('failed');
  });
});

describe('repeats', () => {
  it('of a completion whose answer was lost change nothing', () => {
    const { pool, agent, lease } = running();
    pool.complete(agent, lease);
    const again = { kind: 'complete' as const, artifacts: [], ...pool.attempt(agent, lease) };
    expect(pool.run(again)).toEqual([]);
  });
});

describe('any sequence of commands', () => {
  const accounts = ['acc_a', 'acc_b'] as const;
  const tiers = ['pro', 'free'] as const;
  const models = ['painter', 'sdxl'] as const;
  const step = fc.record({
    what: fc.constantFrom(
      'enqueue',
      'enqueue',
      'acquire',
      'acquire',
      'complete',
      'fail',
      'return',
      'cancel',
      'renew',
      'tick',
      'register',
      'forget',
    ),
    job: fc.integer({ min: 1, max: 12 }),
    agent: fc.integer({ min: 0, max: 1 }),
    choice: fc.nat(7),
    waitMs: fc.constantFrom(0, 1000, LEASE_MS / 2, LEASE_MS),
    heard: fc.boolean(),
  });

  it('keeps every invariant, gives each job one end, and is rebuilt by its changes', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
        const pool = new TestPool();
        const agents = [
          pool.addAgent('agt_a', ['painter']),
          pool.addAgent('agt_b', ['painter', 'sdxl']),
        ];
        let now = START;
        const ends = new Map<string, number>();
        const tokens = new Map<string, number>();
        for (const { what, job, agent, choice, waitMs, heard } of steps) {
          now += waitMs;
          const caller = agents[agent]!;
          const entry = pool.state.jobs.get(jobId(job));
          const token = Math.max(1, (entry?.fencingToken ?? 1) - (choice === 7 ? 1 : 0));
          const lease = { jobId: jobId(job), fencingToken: token };
          const before = pool.changes.length;
          if (what === 'enqueue') {
            const spec = imageSpec(models[choice % 2]!);
            const deadlineAt = choice > 5 ? now + 3000 : null;
            const accountId = accounts[choice % 2]!;
            pool.enqueue(
              order(job, { accountId, tier: tiers[(choice >> 1) % 2]!, spec, deadlineAt }),
              now,
            );
          } else if (what === 'acquire') {
            if (heard) pool.acquire(caller, now, ['sdxl']);
            else pool.run({ kind: 'acquire', caller, resident: [], holding: [], busyMs: 0 }, now);
          } else if (what === 'cancel') pool.run({ kind: 'cancel', jobId: jobId(job) }, now);
          else if (what === 'tick') pool.run({ kind: 'tick' }, now);
          else if (what === 'forget') pool.run({ kind: 'forget', jobId: jobId(job) }, now);
          else if (what === 'renew')
            pool.run({ kind: 'renew', caller, resident: [], leases: [lease] }, now);
          else if (what === 'register') pool.register(caller, ['painter', 'sdxl'], now);
          else if (entry) {
            const attempt = pool.attempt(caller, lease);
            const command =
              what === 'complete'
                ? { kind: 'complete' as const, artifacts: [], ...attempt }
                : what === 'fail'
                  ? {
                      kind: 'fail' as const,
                      code: 'job_failed' as const,
                      retryable: heard,
                      ...attempt,
                    }
                  : { kind: 'return' as const, ...attempt };
            const decision = decide(pool.state, now, command);
            if (decision.ok) pool.apply(decision.value);
          }
          for (const change of pool.changes.slice(before)) {
            if (change.kind === 'job_enqueued') ends.delete(change.order.id);
            if (change.kind === 'job_ended')
              ends.set(change.jobId, (ends.get(change.jobId) ?? 0) + 1);
            if (change.kind === 'job_granted') {
              expect(change.fencingToken).toBeGreaterThan(tokens.get(change.jobId) ?? 0);
              tokens.set(change.jobId, change.fencingToken);
            }
            if (change.kind === 'job_forgotten') tokens.delete(change.jobId);
          }
          expect(violations(pool.state)).toEqual([]);
        }
        for (const [id, count] of ends) expect([id, count]).toEqual([id, 1]);
        for (const entry of pool.state.jobs.values()) {
          expect(isTerminal(entry.status)).toBe(ends.has(entry.id));
        }
        const replayed = emptyState();
        for (const change of pool.changes) evolve(replayed, change);
        expect(replayed).toEqual(pool.state);
      }),
      { numRuns: 300 },
    );
  });
});
