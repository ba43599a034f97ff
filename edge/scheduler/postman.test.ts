import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { inArray, sql } from 'drizzle-orm';
import { afterEach, describe, expect, it } from 'vitest';
import { BACKOFF_MS_MAX, ENDED_IN_MEMORY_MAX, QUEUE_BYTES_MAX } from '#schema/limits.ts';
import { job } from '#schema/tables/index.ts';
import { emptyState } from '../core/state.ts';
import { parseEnv } from '../env.ts';
import type { Env } from '../env.ts';
import { openDb } from '../io/db.ts';
import { makeAccountId } from '../io/id.ts';
import { bindings, eventually, newOrder, newPool, schedulerOf, stubOf } from '../test/world.ts';
import { TestAgent } from '../test/world.ts';
import { Audience } from './audience.ts';
import { Pool } from './pool.ts';
import { SchedulerStore } from './store.ts';

const ACCEPT = { accepted: false, cancelled: false };
const env = parseEnv(bindings);
const proxy = env.databaseWsProxy;

/** Takes Postgres away from every object of this file, or gives it back. */
async function setPostgres(pool: string, isThere: boolean): Promise<void> {
  await runInDurableObject(stubOf(schedulerOf(pool)), (instance) => {
    const own = parseEnv((instance as unknown as { env: typeof bindings }).env);
    (own as { -readonly [K in keyof Env]: Env[K] }).databaseWsProxy = isThere
      ? proxy
      : '127.0.0.1:9/v1';
  });
}

/** One ended job of a pool, then so many copies of its row under other ids. */
async function endedJobs(pool: string, count: number) {
  const agent = await TestAgent.start(pool);
  const order = newOrder(pool, makeAccountId(Date.now()));
  await schedulerOf(pool).enqueue(order, ACCEPT);
  const { job: leased } = await agent.acquire();
  await agent.complete({ jobId: leased!.jobId, fencingToken: leased!.fencingToken });
  const ids = await runInDurableObject(stubOf(schedulerOf(pool)), (_, { storage }) => {
    const rows = storage.sql.exec('SELECT * FROM job').toArray();
    const row = rows[0]!;
    const names = Object.keys(row);
    const made = [order.id];
    for (let index = 1; index < count; index += 1) {
      const { id } = newOrder(pool, order.accountId);
      const place = (row['place'] as number) + index;
      const text = (row['order_json'] as string).replace(order.id, id);
      const changed = (row['changed'] as number) + index;
      const copy = { ...row, place, id, order_json: text, changed };
      storage.sql.exec(
        `INSERT INTO job (${names.join(', ')}) VALUES (${names.map(() => '?').join(', ')})`,
        ...names.map((name) => copy[name as keyof typeof copy] as SqlStorageValue),
      );
      made.push(id);
    }
    return made;
  });
  return { agent, order, ids };
}

function countOf(pool: string, table: 'job' | 'shelf'): Promise<number> {
  return runInDurableObject(
    stubOf(schedulerOf(pool)),
    (_, { storage }) =>
      storage.sql.exec<{ count: number }>(`SELECT count(*) AS count FROM ${table}`).one().count,
  );
}

let away: string | null = null;
afterEach(async () => {
  if (away !== null) await setPostgres(away, true);
  away = null;
});

describe('while Postgres is away for long', () => {
  it('ended jobs leave memory, are still found, never run again, and arrive in the end', async () => {
    const pool = newPool();
    away = pool;
    await setPostgres(pool, false);
    const count = ENDED_IN_MEMORY_MAX + 300;
    const { agent, order, ids } = await endedJobs(pool, count);
    await evictDurableObject(stubOf(schedulerOf(pool)));
    const object = schedulerOf(pool);
    await eventually(async () => (await countOf(pool, 'shelf')) >= 300);
    await eventually(async () => (await object.overview()).undelivered.account === 0);
    expect((await object.overview()).undelivered.postgres).toBe(count);

    // As a restart would load it: the shelf stays out of memory.
    const { shelved, loaded } = await runInDurableObject(stubOf(object), (_, { storage }) => {
      const rows = storage.sql.exec<{ id: string }>('SELECT id FROM shelf ORDER BY id');
      const { state } = new SchedulerStore(storage).load(Date.now());
      return { shelved: rows.toArray()[0]!.id, loaded: state.jobs.size };
    });
    expect(loaded).toBe(count - (await countOf(pool, 'shelf')));
    const found = await object.find(shelved, order.accountId);
    expect(found?.record).toMatchObject({ id: shelved, status: 'completed', attempt: 1 });
    expect(await object.find(shelved, 'acc_other')).toBeNull();
    expect(await object.known([shelved])).toEqual([shelved]);
    expect(await object.cancel(shelved, order.accountId)).toBe('already_finished');
    const again = await object.enqueue({ ...order, id: shelved }, { ...ACCEPT, accepted: true });
    expect(again).toMatchObject({ ok: true, value: { record: { status: 'completed' } } });
    expect((await agent.acquire()).job).toBeNull();

    await setPostgres(pool, true);
    away = null;
    await eventually(async () => {
      await runDurableObjectAlarm(stubOf(object));
      return (await countOf(pool, 'job')) === 0;
    });
    expect(await countOf(pool, 'shelf')).toBe(0);
    const [row] = await openDb(env, (db) =>
      db
        .select({ count: sql<number>`count(*)::int` })
        .from(job)
        .where(inArray(job.id, ids)),
    );
    expect(row).toEqual({ count });
    expect((await object.overview()).undelivered).toEqual({
      postgres: 0,
      account: 0,
      feed: 0,
      courier: 0,
    });
    // Thousands of rows go to Postgres and back.
  }, 60_000);
});

describe('an alarm', () => {
  it('is over though a delivery that it began goes on', async () => {
    const pool = newPool();
    const agent = await TestAgent.start(pool);
    const object = schedulerOf(pool);
    await runInDurableObject(stubOf(object), async (instance, { storage }) => {
      const own = parseEnv((instance as unknown as { env: typeof bindings }).env);
      const writable = own as { -readonly [K in keyof Env]: Env[K] };
      const { accounts } = own;
      const setAlarm = storage.setAlarm.bind(storage);
      const { promise: held, resolve: release } = Promise.withResolvers<readonly string[]>();
      let calls = 0;
      const settle = () => {
        calls += 1;
        return calls === 1 ? Promise.reject(new Error('away')) : held;
      };
      writable.accounts = { getByName: () => ({ settle }) } as unknown as Env['accounts'];
      // No other alarm but the one that is rung here.
      storage.setAlarm = () => Promise.resolve();
      const real = Date.now;
      try {
        const rung = instance as unknown as { alarm(): Promise<void> } & typeof object;
        const order = newOrder(pool, makeAccountId(0));
        await rung.enqueue(order, ACCEPT);
        await rung.cancel(order.id, order.accountId);
        await eventually(async () => calls === 1);
        // A turn later its failure is noted.
        await scheduler.wait(0);
        Date.now = () => real() + BACKOFF_MS_MAX;
        let isOver = false;
        void rung.alarm().then(() => (isOver = true));
        await eventually(async () => isOver);
        expect(calls).toBe(2);
        expect((await rung.overview()).undelivered.account).toBe(1);
        release([order.id]);
        await eventually(async () => (await rung.overview()).undelivered.account === 0);
      } finally {
        Date.now = real;
        storage.setAlarm = setAlarm;
        writable.accounts = accounts;
      }
    });
    expect((await agent.acquire()).job).toBeNull();
  });
});

describe('a pool whose disk is full of orders', () => {
  it('refuses more, and still takes what its user has our word for', () => {
    const state = emptyState();
    const taken: string[] = [];
    const store = {
      orderBytes: QUEUE_BYTES_MAX,
      shelf: { find: () => null },
      fences: { isPast: () => false },
      load: () => ({ state, undelivered: [] }),
      apply: (_: unknown, changes: readonly { kind: string }[]) =>
        changes.map(({ kind }, index) => (taken.push(kind), index)),
      audience: new Audience(),
    };
    const pool = new Pool(store as unknown as SchedulerStore, () => {}, 0);
    pool.attach({ add: () => {} } as unknown as Parameters<Pool['attach']>[0]);
    const order = newOrder('main', makeAccountId(0));
    expect(pool.enqueue(order, ACCEPT, order.createdAt)).toMatchObject({
      reason: 'queue_full',
      scope: 'total',
      limit: QUEUE_BYTES_MAX,
    });
    expect(taken).toEqual([]);
    expect(pool.enqueue(order, { ...ACCEPT, accepted: true }, order.createdAt)).toBeNull();
    expect(taken).toEqual(['job_enqueued']);
  });
});
