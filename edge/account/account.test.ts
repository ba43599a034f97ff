import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { DAY_MS, DELIVERY_CHECK_MS, RECONCILE_MS } from '#schema/limits.ts';
import { PLANS } from '#schema/plan.ts';
import type { JobOrder } from '#schema/record.ts';
import type { AccountObject } from '../rpc/account.ts';
import {
  bindings,
  eventually,
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

const DEED = { actor: 'admin', requestId: 'req_revoke', reason: null };
const stubOfAccount = (accountId: string) => stubOf(bindings.ACCOUNT.getByName(accountId));

async function world(plan: 'starter' | 'pro' = 'pro') {
  const pool = newPool();
  const account = await makeAccount(plan);
  const agent = await TestAgent.start(pool);
  const submit = (more: Parameters<typeof submitInput>[1] = {}) =>
    submitTo(account.object, account.caller, submitInput(pool, more));
  const state = async () => {
    const answer = await account.object.state(account.caller);
    if (!answer.ok) throw new Error(answer.error.reason);
    return answer.value.account;
  };
  return { pool, account, agent, submit, state };
}

/** Runs `work` inside the account with its clock moved. */
async function later(
  accountId: string,
  ms: number,
  work: (object: AccountObject) => Promise<unknown>,
): Promise<void> {
  const real = Date.now;
  await runInDurableObject(stubOfAccount(accountId), async (instance) => {
    Date.now = () => real() + ms;
    try {
      await work(instance as unknown as AccountObject);
    } finally {
      Date.now = real;
    }
  });
}

const STRANGER = { kind: 'key', secretHash: '0'.repeat(64) } as const;

describe('a key', () => {
  it('opens its account and no other secret does', async () => {
    const { account } = await world();
    const answer = await account.object.authenticate(account.caller, 'jobs:read');
    expect(answer).toMatchObject({ ok: true, value: { accountId: account.id, plan: 'pro' } });
    expect(await account.object.authenticate(STRANGER, 'jobs:read')).toEqual({
      ok: false,
      error: { reason: 'unauthorized' },
    });
  });

  it('is refused for an account that was never made, which writes nothing', async () => {
    const object = bindings.ACCOUNT.getByName('acc_never');
    const answer = await object.authenticate(STRANGER, 'jobs:read');
    expect(answer).toEqual({ ok: false, error: { reason: 'unauthorized' } });
    const tables = await runInDurableObject(stubOfAccount('acc_never'), (_, state) =>
      state.storage.sql.exec("SELECT name FROM sqlite_master WHERE type = 'table'").toArray(),
    );
    expect(tables.filter((table) => !(table['name'] as string).startsWith('_cf_'))).toEqual([]);
  });

  it('that was revoked opens nothing, also after an eviction', async () => {
    const { account } = await world();
    expect(await account.object.revokeKey(account.apiKeyId, DEED)).toBe(true);
    const refusal = { ok: false, error: { reason: 'unauthorized' } };
    expect(await account.object.authenticate(account.caller, 'jobs:read')).toEqual(refusal);
    await evictDurableObject(stubOfAccount(account.id));
    expect(await account.object.authenticate(account.caller, 'jobs:read')).toEqual(refusal);
  });

  it('of a Free account does not open the API', async () => {
    const account = await makeAccount('free');
    expect(await account.object.authenticate(account.caller, 'jobs:read')).toMatchObject({
      ok: false,
      error: { reason: 'plan_required', needed: 'starter' },
    });
  });

  it('that asks too often is told when to come back', async () => {
    const { account } = await world('starter');
    const burst = PLANS.starter.requestsPerMinute;
    await runInDurableObject(stubOfAccount(account.id), async (instance) => {
      const now = Date.now();
      const real = Date.now;
      Date.now = () => now;
      const object = instance as unknown as typeof account.object;
      try {
        for (let count = 0; count < burst; count++) {
          expect((await object.authenticate(account.caller, 'jobs:read')).ok).toBe(true);
        }
        expect(await object.authenticate(account.caller, 'jobs:read')).toMatchObject({
          error: { reason: 'rate_limited', retryAfterMs: 500 },
        });
      } finally {
        Date.now = real;
      }
    });
  });
});

describe('a submit', () => {
  it('holds the price and is settled once when the job ends', async () => {
    const { agent, submit, state } = await world();
    const answer = await submit();
    expect(answer).toMatchObject({ ok: true, value: { replayed: false } });
    expect(await state()).toMatchObject({ heldMillitokens: 250, spentMillitokens: 0, jobsOpen: 1 });
    const { job } = await agent.acquire();
    await agent.complete({ jobId: job!.jobId, fencingToken: job!.fencingToken });
    await eventually(async () => (await state()).jobsOpen === 0);
    expect(await state()).toMatchObject({ heldMillitokens: 0, spentMillitokens: 250 });
  });

  it('with the same key and body gives the same job, with another body a conflict', async () => {
    const { submit, state } = await world();
    const first = await submit({ idempotencyKey: 'k', bodyHash: 'one' });
    const again = await submit({ idempotencyKey: 'k', bodyHash: 'one' });
    const firstId = first.ok && !first.value.replayed ? first.value.job.record.id : null;
    expect(again).toMatchObject({ ok: true, value: { replayed: true, jobId: firstId } });
    expect(await submit({ idempotencyKey: 'k', bodyHash: 'two' })).toMatchObject({
      ok: false,
      error: { reason: 'idempotency_conflict' },
    });
    expect((await state()).jobsOpen).toBe(1);
  });

  it('with the same key at the same time makes one job', async () => {
    const { submit, state } = await world();
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => submit({ idempotencyKey: 'race' })),
    );
    expect(answers.every((answer) => answer.ok)).toBe(true);
    expect(answers.filter((answer) => answer.ok && !answer.value.replayed)).toHaveLength(1);
    expect((await state()).jobsOpen).toBe(1);
  });

  it('with a key older than a day makes a new job', async () => {
    const { account, pool, agent, submit } = await world();
    await submit({ idempotencyKey: 'old' });
    await later(account.id, DAY_MS + 1000, async (object) => {
      await agent.register();
      const input = submitInput(pool, { idempotencyKey: 'old', bodyHash: 'other' });
      const answer = await submitTo(object, account.caller, input);
      expect(answer).toMatchObject({ ok: true, value: { replayed: false } });
    });
  });

  it("past the day's tokens is refused with the time of renewal, and holds nothing", async () => {
    const { submit, state, account, pool } = await world('starter');
    const spec = { ...SPEC, width: 1024, height: 1024, steps: 20 * 7, count: 4 };
    for (let count = 0; count < 4; count++) expect((await submit({ spec })).ok).toBe(true);
    const before = await state();
    const refused = await submit({ spec });
    expect(refused).toMatchObject({
      ok: false,
      error: {
        reason: 'tokens_exhausted',
        neededMillitokens: 28_000,
        availableMillitokens: 8000,
        limitMillitokens: 120_000,
        renewsAt: before.renewsAt,
      },
    });
    expect(before.renewsAt % DAY_MS).toBe(0);
    expect(await state()).toEqual(before);
    const quote = await account.object.quote(account.caller, submitInput(pool, { spec }));
    expect(quote).toMatchObject({ ok: true, value: { refusal: { reason: 'tokens_exhausted' } } });
  });

  it('never holds more than the day allows, however many come at once', async () => {
    const { submit, state } = await world('starter');
    const spec = { ...SPEC, width: 1024, height: 1024, count: 3 };
    const answers = await Promise.all(Array.from({ length: 45 }, () => submit({ spec })));
    expect(answers.filter((answer) => answer.ok)).toHaveLength(40);
    expect(await state()).toMatchObject({ heldMillitokens: 120_000, spentMillitokens: 0 });
  });

  it('that the pool refuses leaves no hold and no idempotency key behind', async () => {
    const account = await makeAccount();
    const pool = newPool();
    const input = submitInput(pool, { idempotencyKey: 'k' });
    const refused = await submitTo(account.object, account.caller, input);
    expect(refused).toMatchObject({ ok: false, error: { reason: 'no_agent' } });
    const state = await account.object.state(account.caller);
    expect(state).toMatchObject({ value: { account: { heldMillitokens: 0, jobsOpen: 0 } } });
    await TestAgent.start(pool);
    const again = await submitTo(account.object, account.caller, {
      ...submitInput(pool),
      idempotencyKey: 'k',
      bodyHash: 'other',
    });
    expect(again).toMatchObject({ ok: true, value: { replayed: false } });
  });

  it('of a size or model beyond the plan is refused with the plan that has it', async () => {
    const { submit } = await world('starter');
    expect(await submit({ spec: { ...SPEC, width: 2048 } })).toMatchObject({
      error: { reason: 'side_over_plan', field: 'width', limit: 1536, value: 2048, needed: 'pro' },
    });
  });
});

/** As after a crash between the write and the hand-over: the row is there, nobody was told. */
async function leaveUnoffered(
  account: { readonly id: string; readonly apiKeyId: string },
  input: ReturnType<typeof submitInput>,
): Promise<JobOrder> {
  const order = newOrder(input.pool, account.id, {
    id: input.jobId,
    apiKeyId: account.apiKeyId,
    day: new Date().toISOString().slice(0, 10),
    createdAt: Date.now() - 1000,
  });
  await runInDurableObject(stubOfAccount(account.id), (_, { storage }) => {
    storage.sql.exec('UPDATE account SET held = 250');
    storage.sql.exec(
      'INSERT INTO job VALUES (?, ?, 250, 0, ?, ?, NULL)',
      order.id,
      order.day,
      Date.now(),
      JSON.stringify(order),
    );
    return storage.setAlarm(Date.now() + DELIVERY_CHECK_MS);
  });
  return order;
}

describe('an accepted job', () => {
  it('survives an eviction with its hold', async () => {
    const { account, submit, state } = await world();
    await submit();
    await evictDurableObject(stubOfAccount(account.id));
    expect(await state()).toMatchObject({ heldMillitokens: 250, jobsOpen: 1 });
  });

  it('that never reached the Scheduler is handed over by the alarm', async () => {
    const { account, pool, agent, state } = await world();
    const input = submitInput(pool);
    await leaveUnoffered(account, input);
    await evictDurableObject(stubOfAccount(account.id));
    expect(await schedulerOf(pool).find(input.jobId, account.id)).toBeNull();
    expect((await account.object.findCreated(input.jobId))?.status).toBe('created');
    expect(await runDurableObjectAlarm(stubOfAccount(account.id))).toBe(true);
    const { job } = await agent.acquire();
    expect(job?.jobId).toBe(input.jobId);
    await agent.complete({ jobId: input.jobId, fencingToken: job!.fencingToken });
    await eventually(async () => (await state()).jobsOpen === 0);
    expect(await state()).toMatchObject({ heldMillitokens: 0, spentMillitokens: 250 });
  });

  it('that is cancelled while its hand-over is unanswered ends cancelled, and is told so', async () => {
    const { account, pool, submit } = await world();
    const answer = await submit();
    const jobId = answer.ok && !answer.value.replayed ? answer.value.job.record.id : '';
    // The offer arrived, but as far as the account knows it may not have.
    expect(await account.object.cancelCreated(jobId)).toBe('cancelled');
    expect((await schedulerOf(pool).find(jobId, account.id))?.record.status).not.toBe('queued');
    await eventually(async () => (await account.object.cancelCreated(jobId)) === 'unknown');
  });

  it('of a former life that is cancelled stays so when its first offer arrives after that', async () => {
    const { account, pool, agent, state } = await world();
    const input = submitInput(pool);
    const order = await leaveUnoffered(account, input);
    await evictDurableObject(stubOfAccount(account.id));
    expect(await account.object.cancelCreated(order.id)).toBe('cancel_requested');
    // Had it ended there by now, it might be forgotten, and be taken as a new one.
    expect(await schedulerOf(pool).known([order.id])).toEqual([]);
    const first = { accepted: false, cancelled: false, epoch: 0 };
    expect((await schedulerOf(pool).enqueue(order, first)).ok).toBe(true);
    await later(account.id, DELIVERY_CHECK_MS + 1000, (object) =>
      (object as unknown as { alarm(): Promise<void> }).alarm(),
    );
    await eventually(async () => (await state()).jobsOpen === 0);
    expect(await state()).toMatchObject({ heldMillitokens: 0, spentMillitokens: 0 });
    expect((await agent.acquire()).job).toBeNull();
  });

  it('that its Scheduler knows is not offered again by the alarm', async () => {
    const { account, submit, state } = await world();
    await submit();
    await later(account.id, DELIVERY_CHECK_MS + 1000, (object) =>
      (object as unknown as { alarm(): Promise<void> }).alarm(),
    );
    const rows = await runInDurableObject(stubOfAccount(account.id), (_, { storage }) =>
      storage.sql.exec<{ checked_at: number }>('SELECT checked_at FROM job').toArray(),
    );
    expect(rows[0]!.checked_at).toBeGreaterThan(Date.now() + RECONCILE_MS);
    expect((await state()).jobsOpen).toBe(1);
  });

  it('is settled once, however often the Scheduler says so', async () => {
    const { account, submit, state } = await world();
    const answer = await submit();
    const jobId = answer.ok && !answer.value.replayed ? answer.value.job.record.id : '';
    await account.object.settle([{ jobId, settledMillitokens: 100 }]);
    await account.object.settle([{ jobId, settledMillitokens: 100 }]);
    expect(await state()).toMatchObject({ heldMillitokens: 0, spentMillitokens: 100, jobsOpen: 0 });
  });
});
