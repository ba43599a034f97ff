import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { LEASE_MS, LEASE_WRITE_MS, RECORD_BATCH_MAX } from '#schema/limits.ts';
import type { Change } from '../core/state.ts';
import {
  eventually,
  makeAccount,
  newOrder,
  newPool,
  schedulerOf,
  stubOf,
  submitInput,
  submitTo,
  TestAgent,
} from '../test/world.ts';
import { SchedulerStore } from './store.ts';

const ACCEPT = { accepted: false, cancelled: false };

async function world() {
  const pool = newPool();
  const account = await makeAccount();
  const agent = await TestAgent.start(pool);
  const enqueue = async (more = {}) => {
    const order = newOrder(pool, account.id, more);
    const answer = await schedulerOf(pool).enqueue(order, ACCEPT);
    expect(answer.ok).toBe(true);
    return order;
  };
  const status = async (id: string) =>
    (await schedulerOf(pool).find(id, account.id))?.record.status;
  return { pool, account, agent, enqueue, status };
}

/** Runs `work` with the clock moved forward; objects share it with their test. */
async function at(ms: number, work: () => Promise<void>): Promise<void> {
  const real = Date.now;
  Date.now = () => real() + ms;
  try {
    await work();
  } finally {
    Date.now = real;
  }
}

describe('a queued job', () => {
  it('is taken once however often it is offered', async () => {
    const { pool, account, enqueue } = await world();
    const order = await enqueue();
    const again = await schedulerOf(pool).enqueue(order, { accepted: true, cancelled: false });
    expect(again.ok && again.value.record.sequence).toBe(2);
    expect((await schedulerOf(pool).overview()).waiting.pro).toBe(1);
    expect(await schedulerOf(pool).find(order.id, account.id)).not.toBeNull();
  });

  it('is unknown to another account', async () => {
    const { pool, enqueue } = await world();
    const order = await enqueue();
    expect(await schedulerOf(pool).find(order.id, 'acc_other')).toBeNull();
    expect(await schedulerOf(pool).cancel(order.id, 'acc_other')).toBe('unknown');
  });

  it('survives an eviction in its place', async () => {
    const { pool, agent, enqueue } = await world();
    const first = await enqueue();
    await enqueue();
    await evictDurableObject(stubOf(schedulerOf(pool)));
    expect((await agent.acquire()).job?.jobId).toBe(first.id);
  });

  it('is refused when no agent has its model', async () => {
    const pool = newPool();
    const answer = await schedulerOf(pool).enqueue(newOrder(pool, 'acc_a'), ACCEPT);
    expect(answer).toMatchObject({ ok: false, error: { reason: 'no_agent' } });
    expect((await schedulerOf(pool).overview()).waiting.pro).toBe(0);
  });

  it('that its user has our word for is taken without any agent', async () => {
    const pool = newPool();
    const options = { accepted: true, cancelled: false };
    const answer = await schedulerOf(pool).enqueue(newOrder(pool, 'acc_a'), options);
    expect(answer.ok && answer.value.waiting?.reason).toContain('No GPU');
  });
});

describe('the store', () => {
  it('still owes Postgres all of a commit that was delivered in part before a restart', async () => {
    await runInDurableObject(stubOf(schedulerOf(newPool())), (_, { storage }) => {
      storage.sql.exec('DROP TABLE job; DROP TABLE meta; DROP TABLE agent; DROP TABLE memory');
      const store = new SchedulerStore(storage);
      const { state } = store.load(0);
      const count = 300;
      const changes = Array.from({ length: count }, (_, index): Change => {
        const order = newOrder('main', 'acc_a');
        return {
          kind: 'job_enqueued',
          order,
          place: index + 1,
          tag: 0,
          spanMs: 0,
          foreseenMs: null,
          at: 0,
        };
      });
      const numbers = store.apply(state, changes);
      expect(new Set(numbers).size).toBe(count);
      // The first batch arrived; the cursor is what the oldest that is due allows.
      store.setPostgresCursor(numbers[RECORD_BATCH_MAX]! - 1);
      const { undelivered } = new SchedulerStore(storage).load(0);
      const due = undelivered.filter(({ receiver }) => receiver === 'postgres');
      expect(due).toHaveLength(count - RECORD_BATCH_MAX);
    });
  });

  it('gives no place twice, though the newest job is gone', async () => {
    const { pool, account, agent, enqueue, status } = await world();
    const first = await enqueue();
    await schedulerOf(pool).cancel(first.id, account.id);
    await eventually(async () => (await status(first.id)) === undefined);
    const placeOf = (id: string) =>
      runInDurableObject(
        stubOf(schedulerOf(pool)),
        (_, { storage }) =>
          storage.sql.exec<{ place: number }>('SELECT place FROM job WHERE id = ?', id).one().place,
      );
    const second = await enqueue();
    const before = await placeOf(second.id);
    await evictDurableObject(stubOf(schedulerOf(pool)));
    const third = await enqueue();
    expect(await placeOf(third.id)).toBeGreaterThan(before);
    expect((await agent.acquire()).job?.jobId).toBe(second.id);
  });
});

describe('a parked poll', () => {
  it('is answered by a new job', async () => {
    const { agent, enqueue } = await world();
    const poll = agent.acquire(20_000);
    const order = await enqueue();
    expect((await poll).job?.jobId).toBe(order.id);
  });

  it('is found by a job that comes while it waits for the same commit', async () => {
    const { pool, account, agent } = await world();
    const other = await TestAgent.start(pool);
    const order = newOrder(pool, account.id);
    const ask = ({ sessionId }: TestAgent, waitMs: number) => {
      return { sessionId, holding: [], resident: [], busyMs: 0, waitMs };
    };
    const status = await runInDurableObject(stubOf(schedulerOf(pool)), async (instance) => {
      const object = instance as unknown as ReturnType<typeof schedulerOf>;
      const first = object.acquire(other.credential, ask(other, 0));
      // That commit is under way: these two gather for the next.
      const second = object.acquire(agent.credential, ask(agent, 20_000));
      const taken = await object.enqueue(order, ACCEPT);
      await Promise.all([first, second]);
      return taken.ok && taken.value.record.status;
    });
    expect(status).toBe('running');
  });

  it('sets no alarm and no timer', async () => {
    const { pool, agent } = await world();
    // The agent's own row has arrived too: nothing is owed.
    await eventually(() =>
      runInDurableObject(
        stubOf(schedulerOf(pool)),
        (_, { storage }) => storage.sql.exec('SELECT 1 FROM mirror').toArray().length === 0,
      ),
    );
    await runInDurableObject(stubOf(schedulerOf(pool)), (_, state) => state.storage.deleteAlarm());
    await evictDurableObject(stubOf(schedulerOf(pool)));
    const poll = agent.acquire(20_000);
    await schedulerOf(pool).overview();
    const alarm = await runInDurableObject(stubOf(schedulerOf(pool)), (_, state) =>
      state.storage.getAlarm(),
    );
    expect(alarm).toBeNull();
    // A second poll of the same agent answers the first with nothing.
    await agent.acquire(0);
    const other = agent.acquire(20_000);
    await schedulerOf(pool).drainAgent(agent.credential.agentId, 'req_drain');
    expect((await poll).job).toBeNull();
    expect((await other).drain).toBe(true);
  });

  it('that its caller gave up gets no job', async () => {
    const { pool, agent, enqueue, status } = await world();
    const { sessionId, credential } = agent;
    const body = { sessionId, holding: [], resident: [], busyMs: 0, waitMs: 20_000 };
    const poll = await schedulerOf(pool).acquire(credential, body);
    if (!poll.ok || !('parked' in poll.value)) throw new Error('not parked');
    poll.value.parked[Symbol.dispose]();
    await schedulerOf(pool).overview();
    const order = await enqueue();
    expect(await status(order.id)).toBe('queued');
  });

  it('that ends too soon for the answer to arrive gets no job', async () => {
    const { pool, agent, enqueue, status } = await world();
    void agent.acquire(1000);
    await schedulerOf(pool).overview();
    await at(900, async () => {
      const order = await enqueue();
      expect(await status(order.id)).toBe('queued');
    });
  });
});

describe('a lease', () => {
  it('that lapses brings the job back, and its holder learns it', async () => {
    const { pool, agent, enqueue, status } = await world();
    const order = await enqueue();
    const { job } = await agent.acquire();
    await at(LEASE_MS + 1000, async () => {
      await runDurableObjectAlarm(stubOf(schedulerOf(pool)));
    });
    expect(await status(order.id)).toBe('queued');
    const stale = { jobId: order.id, fencingToken: job!.fencingToken };
    expect(await agent.complete(stale)).toMatchObject({
      ok: false,
      error: { reason: 'lease_lost', lease: stale },
    });
    const renewed = await agent.renew([stale]);
    expect(renewed.ok && renewed.value.lost).toEqual([stale]);
  });

  it('lapses on time though the object slept, and nobody else asked', async () => {
    const { pool, agent, enqueue, status } = await world();
    const order = await enqueue();
    await agent.acquire();
    await at(LEASE_MS + LEASE_WRITE_MS + 1, async () => {
      await evictDurableObject(stubOf(schedulerOf(pool)));
      await runDurableObjectAlarm(stubOf(schedulerOf(pool)));
      expect(await status(order.id)).toBe('queued');
    });
  });

  it('gets one whole lease, and only one, when the object was away', async () => {
    const { pool, agent, enqueue, status } = await world();
    const order = await enqueue();
    await agent.acquire();
    const awayMs = 10 * LEASE_MS;
    await at(awayMs, async () => {
      await evictDurableObject(stubOf(schedulerOf(pool)));
      await runDurableObjectAlarm(stubOf(schedulerOf(pool)));
      expect(await status(order.id)).toBe('running');
    });
    await at(awayMs + LEASE_MS + 1000, async () => {
      await evictDurableObject(stubOf(schedulerOf(pool)));
      await runDurableObjectAlarm(stubOf(schedulerOf(pool)));
      expect(await status(order.id)).toBe('queued');
    });
  });

  it('that was extended still runs after an eviction', async () => {
    const { pool, agent, enqueue, status } = await world();
    const order = await enqueue();
    await agent.acquire();
    await at(LEASE_MS - 1000, async () => {
      await agent.renew();
      await evictDurableObject(stubOf(schedulerOf(pool)));
    });
    await at(2 * LEASE_MS - 2000, async () => {
      await runDurableObjectAlarm(stubOf(schedulerOf(pool)));
      expect(await status(order.id)).toBe('running');
    });
  });

  it('survives an eviction with its token', async () => {
    const { pool, agent, enqueue } = await world();
    await enqueue();
    const { job } = await agent.acquire();
    await evictDurableObject(stubOf(schedulerOf(pool)));
    await runDurableObjectAlarm(stubOf(schedulerOf(pool)));
    const lease = { jobId: job!.jobId, fencingToken: job!.fencingToken };
    const renewed = await agent.renew();
    expect(renewed.ok && renewed.value.held).toEqual([lease]);
    expect((await agent.complete(lease)).ok).toBe(true);
  });

  it('set an alarm that looks after it', async () => {
    const { pool, agent, enqueue } = await world();
    await enqueue();
    await agent.acquire();
    const alarm = await runInDurableObject(stubOf(schedulerOf(pool)), (_, state) =>
      state.storage.getAlarm(),
    );
    expect(alarm).not.toBeNull();
    expect(alarm!).toBeLessThanOrEqual(Date.now() + LEASE_MS);
  });
});

describe('the end of an attempt', () => {
  it('gives the next job in the same answer', async () => {
    const { agent, enqueue } = await world();
    await enqueue();
    const second = await enqueue();
    const { job } = await agent.acquire();
    const answer = await agent.complete(
      { jobId: job!.jobId, fencingToken: job!.fencingToken },
      true,
    );
    expect(answer).toMatchObject({ ok: true, value: { status: 'completed' } });
    expect(answer.ok && answer.value.next?.job?.jobId).toBe(second.id);
  });

  it('is told to Postgres and the Account, then the job leaves the object', async () => {
    const { pool, agent, enqueue, status } = await world();
    const order = await enqueue();
    const { job } = await agent.acquire();
    await agent.complete({ jobId: order.id, fencingToken: job!.fencingToken });
    await eventually(async () => (await status(order.id)) === undefined);
    const rows = await runInDurableObject(stubOf(schedulerOf(pool)), (_, state) =>
      state.storage.sql.exec('SELECT count(*) AS count FROM job').one(),
    );
    expect(rows).toEqual({ count: 0 });
  });

  it('by return puts the job back without counting the attempt', async () => {
    const { agent, enqueue, status } = await world();
    const order = await enqueue();
    const { job } = await agent.acquire();
    await agent.return({ jobId: order.id, fencingToken: job!.fencingToken });
    expect(await status(order.id)).toBe('queued');
    expect((await agent.acquire()).job?.attempt).toBe(1);
  });
});

describe('cancel', () => {
  it('of a waiting job ends it', async () => {
    const { pool, account, enqueue, agent } = await world();
    const order = await enqueue();
    expect(await schedulerOf(pool).cancel(order.id, account.id)).toBe('cancelled');
    expect((await agent.acquire()).job).toBeNull();
  });

  it('of a running job reaches the parked control poll, and its result is never delivered', async () => {
    const { pool, account, enqueue, agent } = await world();
    const order = await enqueue();
    const { job } = await agent.acquire();
    const lease = { jobId: order.id, fencingToken: job!.fencingToken };
    const control = agent.control(20_000);
    expect(await schedulerOf(pool).cancel(order.id, account.id)).toBe('cancel_requested');
    const told = await control;
    expect(told.ok && told.value.cancel).toEqual([lease]);
    const answer = await agent.complete(lease);
    expect(answer).toMatchObject({ ok: true, value: { status: 'cancelled' } });
    expect(await schedulerOf(pool).cancel(order.id, account.id)).not.toBe('cancelled');
  });
});

describe('an agent', () => {
  it('with a wrong secret is refused every call and changes nothing', async () => {
    const { pool, agent, enqueue, status } = await world();
    const order = await enqueue();
    const { job } = await agent.acquire();
    const thief = Object.assign(Object.create(agent) as TestAgent, {
      credential: { ...agent.credential, secretHash: 'f'.repeat(64) },
    });
    const refusal = { ok: false, error: { reason: 'unauthorized' } };
    expect(await thief.register()).toEqual(refusal);
    expect(await thief.renew()).toEqual(refusal);
    expect(await thief.control()).toEqual(refusal);
    const lease = { jobId: order.id, fencingToken: job!.fencingToken };
    expect(await thief.complete(lease)).toEqual(refusal);
    expect(await thief.return(lease)).toEqual(refusal);
    expect(await status(order.id)).toBe('running');
    expect((await schedulerOf(pool).overview()).running).toBe(1);
  });

  it('whose token was revoked is refused', async () => {
    const { pool, agent } = await world();
    expect(await schedulerOf(pool).revokeAgent(agent.credential.agentId, 'req_revoke')).toBe(true);
    expect(await agent.renew()).toEqual({ ok: false, error: { reason: 'unauthorized' } });
    expect((await schedulerOf(pool).survey()).agentsKnown).toBe(0);
  });

  it.each(['was revoked', 'began another session'])(
    'that %s keeps no job from others by its parked poll',
    async (what) => {
      const { pool, agent, enqueue } = await world();
      const { agentId } = agent.credential;
      const poll = agent.acquire(20_000);
      await agent.renew();
      if (what === 'was revoked') await schedulerOf(pool).revokeAgent(agentId, 'req_revoke');
      else await new TestAgent(pool, agent.credential).register();
      const other = await TestAgent.start(pool);
      const waiting = other.acquire(20_000);
      await other.renew();
      const order = await enqueue();
      expect((await waiting).job?.jobId).toBe(order.id);
      expect((await poll).job).toBeNull();
    },
  );

  it('of an unknown session is told to register', async () => {
    const { agent } = await world();
    const other = Object.assign(Object.create(agent) as TestAgent, {
      sessionId: crypto.randomUUID(),
    });
    expect(await other.renew()).toEqual({ ok: false, error: { reason: 'not_registered' } });
  });

  it('that leaves is offline at once and gets no job any more', async () => {
    const { pool, agent, enqueue, status } = await world();
    const { credential, sessionId } = agent;
    const poll = agent.acquire(20_000);
    await schedulerOf(pool).overview();
    expect((await schedulerOf(pool).leave(credential, { sessionId })).ok).toBe(true);
    expect((await poll).job).toBeNull();
    expect((await schedulerOf(pool).survey()).agentsOnline).toBe(0);
    const order = await enqueue();
    expect(await status(order.id)).toBe('queued');
  });

  it('keeps its registration over an eviction', async () => {
    const { pool, agent } = await world();
    await evictDurableObject(stubOf(schedulerOf(pool)));
    expect((await agent.renew()).ok).toBe(true);
    expect((await schedulerOf(pool).survey()).models).toEqual({ painter: 'installed' });
  });
});

describe('the outbox', () => {
  it('still delivers what was due when the object was evicted', async () => {
    const { pool, agent, account } = await world();
    const submitted = await submitTo(account.object, account.caller, submitInput(pool));
    expect(submitted.ok).toBe(true);
    const { job } = await agent.acquire();
    await agent.complete({ jobId: job!.jobId, fencingToken: job!.fencingToken });
    await evictDurableObject(stubOf(schedulerOf(pool)));
    await eventually(async () => {
      const { undelivered } = await schedulerOf(pool).overview();
      return undelivered.account === 0 && undelivered.postgres === 0;
    });
    const state = await account.object.state(account.caller);
    expect(state).toMatchObject({ value: { account: { jobsOpen: 0, spentMillitokens: 250 } } });
  });
});
