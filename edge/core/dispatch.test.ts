import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  AGENT_ONLINE_MS,
  BYPASS_AGE_SHARE,
  BYPASS_LOADS,
  BYPASS_MS_MAX,
  BYPASS_MS_MIN,
  SKIPS_MAX,
} from '#schema/limits.ts';
import { TIERS } from '#schema/plan.ts';
import { bestAsker, bypassMsMax, choose } from './dispatch.ts';
import { LOAD_MS, START, TestPool, World, imageSpec, jobId, order } from './fixture.ts';
import { lookAgainAt, willHold } from './holder.ts';
import type { Caller } from './queue.ts';

/** Models that the catalog does not know: a load takes LOAD_MS, a job of 1000 this. */
const SERVICE_MS = 15_000;
const X = imageSpec('x');
const Y = imageSpec('y');
const Z = imageSpec('z');

/** Whom the agent would be given, were it to ask with these models loaded. */
function chosen(pool: TestPool, caller: Caller, now: number, resident: readonly string[] = []) {
  return choose(pool.state, { agent: pool.agent(caller), resident }, now)?.entry.id ?? null;
}

describe('tiers', () => {
  it('go one after the other, however old or well loaded the lower ones are', () => {
    const pool = new TestPool();
    const agent = pool.addAgent('agt_a', ['x', 'y']);
    pool.enqueue(order(1, { spec: X }));
    pool.enqueue(order(2, { spec: X, tier: 'starter' }));
    pool.enqueue(order(3, { spec: X, tier: 'pro' }), START + 1000);
    pool.enqueue(order(4, { spec: Y, tier: 'admin' }), START + 2000);
    const got = [4, 3, 2, 1].map((number) => {
      const lease = pool.acquire(agent, START + 3000, ['x'])!;
      pool.complete(agent, lease, START + 3000);
      return [lease.jobId, jobId(number)];
    });
    for (const [given, expected] of got) expect(given).toBe(expected);
  });

  it('never wait for a lower one on an agent that can run both', () => {
    const job = fc.record({
      tier: fc.constantFrom(...TIERS),
      model: fc.constantFrom('x', 'y', 'z', 'w'),
      account: fc.nat(3),
      ageMs: fc.nat(240_000),
    });
    fc.assert(
      fc.property(
        fc.array(job, { minLength: 1, maxLength: 40 }),
        fc.subarray(['x', 'y', 'z', 'w']),
        fc.subarray(['x', 'y', 'z']),
        (jobs, models, resident) => {
          const pool = new TestPool();
          const agent = pool.addAgent('agt_a', models);
          const now = START + 240_000;
          const sorted = jobs.toSorted((one, other) => other.ageMs - one.ageMs);
          for (const [index, { tier, model, account, ageMs }] of sorted.entries()) {
            const accountId = `acc_${account}`;
            pool.enqueue(order(index, { tier, accountId, spec: imageSpec(model) }), now - ageMs);
          }
          const can = sorted.filter(({ model }) => models.includes(model));
          const highest = TIERS.find((tier) => can.some((of) => of.tier === tier)) ?? null;
          const id = chosen(pool, agent, now, resident);
          expect(id && pool.state.jobs.get(id)!.tier).toBe(highest);
          expect(id === null || models.includes(pool.state.jobs.get(id)!.model)).toBe(true);
        },
      ),
    );
  });
});

describe('an agent is given nothing', () => {
  it('that it cannot run', () => {
    const pool = new TestPool();
    const agent = pool.addAgent('agt_a', ['x']);
    pool.enqueue(order(1, { spec: Y, tier: 'admin' }));
    expect(pool.acquire(agent)).toBeNull();
    pool.enqueue(order(2, { spec: X }));
    expect(pool.acquire(agent)?.jobId).toBe(jobId(2));
  });

  it('while it drains', () => {
    const pool = new TestPool();
    const agent = pool.addAgent('agt_a', ['x']);
    pool.enqueue(order(1, { spec: X }));
    pool.apply([{ kind: 'agent_drained', agentId: agent.agentId }]);
    expect(pool.acquire(agent)).toBeNull();
  });
});

describe('a loaded model', () => {
  it('goes before an older job of another, until what is owed to that one is spent', () => {
    const pool = new TestPool();
    const agent = pool.addAgent('agt_a', ['x', 'y']);
    pool.enqueue(order(1, { spec: Y, accountId: 'acc_y' }));
    for (let number = 2; number < 102; number += 1) pool.enqueue(order(number, { spec: X }));
    let before = 0;
    for (;;) {
      const lease = pool.acquire(agent, START, ['x'])!;
      if (lease.jobId === jobId(1)) break;
      before += 1;
      pool.end(agent, lease, { now: START, loadMs: 0, serviceMs: SERVICE_MS });
    }
    expect(before).toBe(Math.floor(bypassMsMax(LOAD_MS, 0) / SERVICE_MS));
    expect(pool.agent(agent).ledger.free).toBeNull();
  });

  it('gives way when its debt is to the very head that waits, not to one before', () => {
    const pool = new TestPool();
    const agent = pool.addAgent('agt_a', ['x', 'y']);
    pool.enqueue(order(1, { spec: Y, accountId: 'acc_1' }));
    pool.enqueue(order(2, { spec: Y, accountId: 'acc_2' }));
    for (let number = 3; number < 60; number += 1) pool.enqueue(order(number, { spec: X }));
    const { ledger } = pool.agent(agent);
    ledger.free = { jobId: jobId(1), ms: bypassMsMax(LOAD_MS, 0) };
    expect(chosen(pool, agent, START, ['x'])).toBe(jobId(1));
    pool.run({ kind: 'cancel', jobId: jobId(1) });
    expect(chosen(pool, agent, START, ['x'])).toBe(jobId(3));
  });

  it.each([
    [100, 0, BYPASS_MS_MIN],
    [20_000, 0, 20_000 * BYPASS_LOADS],
    [600_000, 0, BYPASS_MS_MAX],
    [100, BYPASS_MS_MIN, BYPASS_MS_MIN],
    [100, 20 * BYPASS_MS_MIN, 20 * BYPASS_MS_MIN * BYPASS_AGE_SHARE],
    [100, 1e9, BYPASS_MS_MAX],
  ])('may go before a head of load %i ms and age %i ms for %i ms', (loadMs, ageMs, most) => {
    expect(bypassMsMax(loadMs, ageMs)).toBe(most);
  });
});

describe('a line passed over by loads of younger ones', () => {
  /** Job 1 of y was passed over as often as it may be; ten of z wait behind it. */
  function passedOver() {
    const pool = new TestPool();
    const agent = pool.addAgent('agt_a', ['x', 'y', 'z']);
    pool.enqueue(order(1, { spec: Y, accountId: 'acc_y' }));
    for (let number = 2; number < 12; number += 1) pool.enqueue(order(number, { spec: Z }));
    const entry = pool.state.jobs.get(jobId(1))!;
    return { pool, agent, entry };
  }

  it('is counted at each, then goes first, and is counted from nothing after that', () => {
    const { pool, agent, entry } = passedOver();
    for (let count = 1; count <= SKIPS_MAX; count += 1) {
      const lease = pool.acquire(agent, START)!;
      expect(lease.jobId).not.toBe(entry.id);
      expect(entry.skipped).toBe(count);
      pool.run({ kind: 'return', ...pool.attempt(agent, lease) });
    }
    const lease = pool.acquire(agent, START)!;
    expect(lease.jobId).toBe(entry.id);
    pool.run({ kind: 'return', ...pool.attempt(agent, lease) });
    expect(entry.skipped).toBe(0);
    expect(chosen(pool, agent, START)).toBe(jobId(2));
  });

  it('does not go before a model that is loaded', () => {
    const { pool, agent, entry } = passedOver();
    entry.skipped = SKIPS_MAX;
    expect(chosen(pool, agent, START, ['z'])).toBe(jobId(2));
    expect(chosen(pool, agent, START, ['x'])).toBe(entry.id);
  });
});

/** B runs job 1 of x, with its load; A has nothing loaded. Both can run all. */
function holding(more: { readonly models?: readonly string[] } = {}) {
  const pool = new TestPool();
  const models = more.models ?? ['x', 'y'];
  const [a, b] = [pool.addAgent('agt_a', models), pool.addAgent('agt_b', models)] as const;
  pool.enqueue(order(1, { spec: X }));
  const lease = pool.acquire(b, START)!;
  return { pool, a, b, lease, endAt: START + LOAD_MS + SERVICE_MS };
}

describe('a job whose model a busy agent has', () => {
  it('is left to that one when it will be free before another could load the model', () => {
    const { pool, a, endAt } = holding();
    pool.enqueue(order(2, { spec: X }));
    expect(chosen(pool, a, endAt - LOAD_MS - 1)).toBe(jobId(2));
    expect(chosen(pool, a, endAt - LOAD_MS + 1)).toBeNull();
    expect(chosen(pool, a, endAt - LOAD_MS + 1, ['x'])).toBe(jobId(2));
  });

  it('is given to the other when more wait than that one starts within the load', () => {
    const { pool, a, endAt } = holding();
    for (let number = 2; number < 20; number += 1) pool.enqueue(order(number, { spec: X }));
    expect(chosen(pool, a, endAt - 5000)).toBe(jobId(2));
  });

  it('is given to the other when that one has overrun, and then is told when to look', () => {
    const { pool, a, endAt } = holding();
    pool.enqueue(order(2, { spec: X }));
    const lookAt = lookAgainAt(pool.state, endAt - 5000)!;
    expect(lookAt).toBeGreaterThan(endAt);
    expect(chosen(pool, a, lookAt - 2)).toBeNull();
    expect(chosen(pool, a, lookAt)).toBe(jobId(2));
    expect(lookAgainAt(pool.state, lookAt)).toBeNull();
  });

  it('is given to the other when it has waited for very long', () => {
    const { pool, a, endAt } = holding();
    const at = endAt - 5000;
    pool.enqueue(order(2, { spec: X }), at - 5 * LOAD_MS);
    expect(chosen(pool, a, at)).toBeNull();
    pool.run({ kind: 'cancel', jobId: jobId(2) }, at);
    pool.enqueue(order(3, { spec: X }), at - 60 * LOAD_MS);
    expect(chosen(pool, a, at)).toBe(jobId(3));
  });

  it('is given to the other when that one drains', () => {
    const { pool, a, endAt } = holding();
    pool.enqueue(order(2, { spec: X }));
    pool.apply([{ kind: 'agent_drained', agentId: 'agt_b' }]);
    expect(chosen(pool, a, endAt - 5000)).toBe(jobId(2));
  });

  it('is given to the other when that one was revoked', () => {
    const { pool, a, endAt } = holding();
    pool.enqueue(order(2, { spec: X }));
    pool.apply([{ kind: 'agent_revoked', agentId: 'agt_b', at: START }]);
    expect(chosen(pool, a, endAt - 5000)).toBe(jobId(2));
  });

  it('is not loaded a second time while a line of no agent waits', () => {
    const { pool, a, endAt } = holding();
    for (let number = 2; number < 5; number += 1) pool.enqueue(order(number, { spec: X }));
    pool.enqueue(order(9, { spec: Y, accountId: 'acc_y' }), START + 1000);
    expect(chosen(pool, a, endAt - 5000)).toBe(jobId(9));
  });

  it('counts as held by the model of its newest run, not of an older one', () => {
    const { pool, a, b, endAt } = holding();
    pool.enqueue(order(2, { spec: Y }));
    pool.acquireAll(b, endAt - 5000, { resident: ['x'], busyMs: 5000 });
    pool.enqueue(order(3, { spec: X }));
    expect(chosen(pool, a, endAt - 4000)).toBe(jobId(3));
  });
});

describe('a free job while a busy agent goes on with its model for a higher tier', () => {
  it.each([14, 14.5, 15, 15.5])(
    'is started by an idle one soon, those coming each %f s',
    (everyS) => {
      const world = new World();
      for (const id of ['agt_b', 'agt_a']) world.addGpu(id, ['x', 'y']);
      const pro = (number: number, at: number, spec = X) => {
        return { at, order: order(number, { tier: 'pro', accountId: `acc_${number}`, spec }) };
      };
      // Of y, so that the second agent has another model loaded.
      const first = [pro(1, START), pro(2, START + 1, Y)];
      const stream = Array.from({ length: 120 }, (_, index) =>
        pro(10 + index, START + 34_000 + Math.round(index * everyS * 1000)),
      );
      const at = START + 200_000;
      world.play([
        ...first,
        ...stream,
        { at, order: order(9, { accountId: 'acc_free', spec: X }) },
      ]);
      expect(world.startedAt.get(jobId(9))! - at).toBeLessThan(4 * LOAD_MS);
    },
  );
});

describe('when several agents are idle', () => {
  it('the one that has the model gets the job', () => {
    const pool = new TestPool();
    const callers = ['agt_a', 'agt_b', 'agt_c'].map((id) => pool.addAgent(id, ['x', 'y']));
    pool.enqueue(order(1, { spec: X }));
    const askers = callers.map((caller, index) => {
      return { agent: pool.agent(caller), resident: index === 1 ? ['x'] : ['y'] };
    });
    expect(bestAsker(pool.state, askers, START)).toBe(askers[1]);
  });

  it('and none has the model, the one whose own is asked for least loads it', () => {
    const pool = new TestPool();
    const models = ['x', 'y', 'z'];
    const callers = ['agt_a', 'agt_b', 'agt_c'].map((id) => pool.addAgent(id, models));
    for (let number = 1; number <= 3; number += 1) {
      pool.enqueue(order(number, { spec: number < 3 ? Y : Z }));
      pool.run({ kind: 'cancel', jobId: jobId(number) });
    }
    pool.enqueue(order(9, { spec: X }));
    const residents = [['y'], ['z'], ['y', 'z']];
    const askers = callers.map((caller, index) => {
      const resident = residents[index]!;
      pool.run({ kind: 'renew', caller, resident, leases: [] });
      return { agent: pool.agent(caller), resident };
    });
    expect(bestAsker(pool.state, askers, START)).toBe(askers[1]);
    expect(bestAsker(pool.state, [askers[2]!, askers[0]!], START)).toBe(askers[0]);
  });

  it('and no job is for any, nobody gets one', () => {
    const pool = new TestPool();
    const caller = pool.addAgent('agt_a', ['y']);
    const asker = { agent: pool.agent(caller), resident: ['y'] };
    pool.enqueue(order(1, { spec: X }));
    expect(bestAsker(pool.state, [asker], START)).toBeNull();
    expect(bestAsker(pool.state, [], START)).toBeNull();
  });
});

describe('a job that an agent has failed', () => {
  /** Both agents can run x; job 1 was failed by B. */
  function failedByB() {
    const pool = new TestPool();
    const [a, b] = [pool.addAgent('agt_a', ['x']), pool.addAgent('agt_b', ['x'])] as const;
    pool.enqueue(order(1, { spec: X }));
    pool.failAttempt(b, pool.acquire(b)!);
    return { pool, a, b };
  }

  it('is for another one first, and B goes on with the next of the line', () => {
    const { pool, a, b } = failedByB();
    expect(chosen(pool, b, START, ['x'])).toBeNull();
    pool.enqueue(order(2, { spec: X }));
    expect(chosen(pool, b, START, ['x'])).toBe(jobId(2));
    expect(chosen(pool, a, START)).toBe(jobId(1));
  });

  it('is given back to it when no other one is online, or the other drains', () => {
    const { pool, b } = failedByB();
    const late = START + AGENT_ONLINE_MS;
    pool.renew(b, late);
    expect(chosen(pool, b, late)).toBe(jobId(1));
    const other = failedByB();
    other.pool.apply([{ kind: 'agent_drained', agentId: 'agt_a' }]);
    expect(chosen(other.pool, other.b, START)).toBe(jobId(1));
  });

  it('is given back to it when the other has failed it too', () => {
    const { pool, a, b } = failedByB();
    pool.failAttempt(a, pool.acquire(a)!);
    expect(chosen(pool, a, START)).toBeNull();
    expect(chosen(pool, b, START)).toBe(jobId(1));
  });

  it('is not left to it, however soon it is free', () => {
    const { pool, a, b } = failedByB();
    pool.enqueue(order(2, { spec: X }));
    expect(pool.acquire(b, START, ['x'])?.jobId).toBe(jobId(2));
    expect(chosen(pool, a, START + SERVICE_MS - 1000)).toBe(jobId(1));
  });
});

describe('an agent that asks while it runs', () => {
  it('counts as holding the model of its run, besides those it reports', () => {
    const { pool, b, lease } = holding();
    expect(willHold(pool.state, pool.agent(b), ['y'])).toEqual(['x', 'y']);
    expect(willHold(pool.state, pool.agent(b), ['y', 'x'])).toEqual(['y', 'x']);
    pool.complete(b, lease);
    expect(willHold(pool.state, pool.agent(b), ['y'])).toEqual(['y']);
  });

  it('gets one job though its engine takes batches, and its start is foreseen after the run', () => {
    const pool = new TestPool();
    const agent = pool.addAgent('agt_a', ['x'], 4);
    for (let number = 1; number <= 4; number += 1) pool.enqueue(order(number, { spec: X }));
    const leases = pool.acquireAll(agent, START, { resident: ['x'], busyMs: 7000 });
    expect(leases.map(({ jobId: id }) => id)).toEqual([jobId(1)]);
    expect(pool.state.jobs.get(jobId(1))!.expectedEndAt).toBe(START + 7000 + SERVICE_MS);
  });
});
