import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { AHEAD_MS, RECORD_BATCH_BYTES_MAX } from '#schema/limits.ts';
import {
  enqueueAt,
  makeAccount,
  newOrder,
  newPool,
  schedulerOf,
  SPEC,
  stubOf,
  submitInput,
  submitTo,
  TestAgent,
} from '../test/world.ts';

/** An account that has submitted twice, at once: from now on it goes ahead of its disk. */
async function world(keyed = false) {
  const pool = newPool();
  const account = await makeAccount();
  const agent = await TestAgent.start(pool);
  const object = stubOf(account.object);
  const submit = async (more: Parameters<typeof submitInput>[1] = {}) => {
    const input = submitInput(pool, more);
    const answer = await submitTo(account.object, account.caller, input);
    expect(answer.ok, JSON.stringify(answer)).toBe(true);
    return input.jobId;
  };
  const figures = async () => (await account.object.profile())!.state;
  const count = (table: string) =>
    runInDurableObject(
      object,
      (_, { storage }) =>
        storage.sql.exec<{ count: number }>(`SELECT count(*) AS count FROM ${table}`).one().count,
    );
  const life = () =>
    runInDurableObject(object, (_, { storage }) => {
      const row = storage.sql.exec<{ life_json: string }>('SELECT life_json FROM account').one();
      return JSON.parse(row.life_json) as { epoch: number; aheadIn: string | null };
    });
  const first = [await submit(), await submit()];
  const ahead = [await submit(keyed ? { idempotencyKey: 'one', bodyHash: 'body' } : {})];
  return { pool, account, agent, object, submit, figures, count, life, first, ahead };
}

describe('an account that submits much', () => {
  it('leaves the write of a job to its pool, and counts it all the same', async () => {
    const { pool, count, life, figures } = await world();
    expect(await count('job')).toBe(2);
    expect(await life()).toMatchObject({ aheadIn: pool, epoch: 0 });
    expect(await figures()).toMatchObject({ heldMillitokens: 750, jobsOpen: 3 });
  });

  it('writes every job whose first submit is alone', async () => {
    const pool = newPool();
    const account = await makeAccount();
    await TestAgent.start(pool);
    expect((await submitTo(account.object, account.caller, submitInput(pool))).ok).toBe(true);
    const [row] = await runInDurableObject(stubOf(account.object), (_, { storage }) =>
      storage.sql.exec('SELECT held FROM account').toArray(),
    );
    expect(row).toEqual({ held: 250 });
  });

  it('writes what is open once it is quiet, and goes ahead no longer', async () => {
    const { object, count, life } = await world();
    const real = Date.now;
    Date.now = () => real() + AHEAD_MS;
    try {
      await runDurableObjectAlarm(object);
    } finally {
      Date.now = real;
    }
    expect(await count('job')).toBe(3);
    expect(await life()).toMatchObject({ aheadIn: null });
  });

  it('writes with any other write of its row what that row counts', async () => {
    const { account, object, figures, count } = await world();
    const deed = { actor: 'admin', requestId: 'req_block', reason: 'a test' };
    await account.object.administer({ kind: 'block' }, deed);
    expect(await count('job')).toBe(3);
    await evictDurableObject(object);
    expect(await figures()).toMatchObject({ heldMillitokens: 750, jobsOpen: 3 });
  });

  it('settles a job that was never written here, once', async () => {
    const { account, object, ahead, figures, count } = await world();
    const settlement = [{ jobId: ahead[0]!, settledMillitokens: 100 }];
    expect(await account.object.settle(settlement)).toEqual(ahead);
    expect(await account.object.settle(settlement)).toEqual(ahead);
    const after = { heldMillitokens: 500, spentMillitokens: 100, jobsOpen: 2 };
    expect(await figures()).toMatchObject(after);
    await evictDurableObject(object);
    // Its pool still has the job; the account knows that it is over.
    expect(await figures()).toMatchObject(after);
    expect(await count('job')).toBe(2);
  });

  it('gives back at once what its pool refuses', async () => {
    const { pool, account, figures, count } = await world();
    const spec = { ...SPEC, model: 'sdxl' as const };
    const refused = await submitTo(account.object, account.caller, submitInput(pool, { spec }));
    expect(refused).toMatchObject({ ok: false, error: { reason: 'no_agent' } });
    expect(await figures()).toMatchObject({ heldMillitokens: 750, jobsOpen: 3 });
    expect(await count('job')).toBe(2);
  });
});

describe('an account that died ahead of its disk', () => {
  it('wakes with all that it took, and with its limits', async () => {
    const { object, figures, count, life } = await world();
    await evictDurableObject(object);
    expect(await figures()).toMatchObject({ heldMillitokens: 750, jobsOpen: 3 });
    expect(await count('job')).toBe(3);
    expect(await life()).toMatchObject({ aheadIn: null, epoch: 1 });
    await evictDurableObject(object);
    expect(await figures()).toMatchObject({ heldMillitokens: 750, jobsOpen: 3 });
  });

  it('knows the idempotency keys of the life before', async () => {
    const { account, pool, object, ahead } = await world(true);
    await evictDurableObject(object);
    const again = submitInput(pool, { idempotencyKey: 'one', bodyHash: 'body' });
    const answer = await submitTo(account.object, account.caller, again);
    expect(answer).toMatchObject({ ok: true, value: { replayed: true, jobId: ahead[0] } });
    const other = submitInput(pool, { idempotencyKey: 'one', bodyHash: 'another' });
    const conflict = await submitTo(account.object, account.caller, other);
    expect(conflict).toMatchObject({ ok: false, error: { reason: 'idempotency_conflict' } });
  });

  it('keeps the key of a job that has ended', async () => {
    const { account, pool, object, ahead } = await world(true);
    await account.object.settle([{ jobId: ahead[0]!, settledMillitokens: 250 }]);
    await evictDurableObject(object);
    const again = submitInput(pool, { idempotencyKey: 'one', bodyHash: 'body' });
    const answer = await submitTo(account.object, account.caller, again);
    expect(answer).toMatchObject({ ok: true, value: { replayed: true, jobId: ahead[0] } });
  });

  it('settles what ended meanwhile', async () => {
    const { agent, object, figures } = await world();
    await evictDurableObject(object);
    const { job } = await agent.acquire();
    await agent.complete(job!);
    await expect
      .poll(figures)
      .toMatchObject({ heldMillitokens: 500, spentMillitokens: 250, jobsOpen: 2 });
  });

  it('meets no late offer of the life before', async () => {
    const { pool, account, object, figures } = await world();
    await evictDurableObject(object);
    await figures();
    const ahead = { ordinal: 9, idempotency: null };
    const late = newOrder(pool, account.id, { ahead });
    const options = { accepted: false, cancelled: false };
    expect(await enqueueAt(schedulerOf(pool), [late], { ...options, epoch: 0 })).toEqual([null]);
    await evictDurableObject(stubOf(schedulerOf(pool)));
    expect(await enqueueAt(schedulerOf(pool), [late], { ...options, epoch: 0 })).toEqual([null]);
    const [taken] = await enqueueAt(schedulerOf(pool), [late], { ...options, epoch: 1 });
    expect(taken?.ok).toBe(true);
  });
});

it('a pool tells what was taken in answers of a bounded size', async () => {
  const { pool, account } = await world();
  const prompt = 'x'.repeat(RECORD_BATCH_BYTES_MAX / 3);
  const spec = { ...SPEC, prompt };
  const options = { accepted: true, cancelled: false };
  for (const ordinal of [11, 14, 12, 13]) {
    const ahead = { ordinal, idempotency: null };
    await schedulerOf(pool).enqueue(newOrder(pool, account.id, { spec, ahead }), options);
  }
  const ask = async (after: number) => {
    const question = { accountId: account.id, epoch: 1, after };
    const { orders, isMore } = await schedulerOf(pool).takenAhead(question);
    return { ordinals: orders.map((order) => order.ahead!.ordinal), isMore };
  };
  expect(await ask(10)).toEqual({ ordinals: [11, 12], isMore: true });
  expect(await ask(12)).toEqual({ ordinals: [13, 14], isMore: false });
  expect(await ask(14)).toEqual({ ordinals: [], isMore: false });
});
