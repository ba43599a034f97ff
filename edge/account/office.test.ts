import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { DAY_MS } from '#schema/limits.ts';
import { PLANS } from '#schema/plan.ts';
import type { AccountObject, Measure } from '../rpc/account.ts';
import {
  bindings,
  eventually,
  makeAccount,
  newPool,
  SPEC,
  stubOf,
  submitInput,
  submitTo,
  TestAgent,
} from '../test/world.ts';

const HOUR_MS = 60 * 60 * 1000;
const IDENTITY = { kind: 'identity' } as const;
const DEED = { actor: 'test', requestId: 'req_test', reason: null };
const CREATE = { ...DEED, action: 'webhook.create' } as const;

/** Administers with a request of its own. */
async function administer(object: AccountObject, measure: Measure, reason = 'as a test') {
  const requestId = `req_${crypto.randomUUID()}`;
  const done = await object.administer(measure, { actor: 'admin', requestId, reason });
  return done.ok ? done.value : null;
}

/** Runs `work` inside the account with its clock moved. */
async function later(
  object: AccountObject,
  ms: number,
  work: (it: AccountObject) => Promise<void>,
) {
  const real = Date.now;
  await runInDurableObject(stubOf(object), async (instance) => {
    Date.now = () => real() + ms;
    try {
      await work(instance as unknown as AccountObject);
    } finally {
      Date.now = real;
    }
  });
}

it('an account that was never made is not administered, which writes nothing', async () => {
  const object = bindings.ACCOUNT.getByName('acc_nobody');
  expect(await administer(object, { kind: 'block' })).toBeNull();
  expect(await object.profile()).toBeNull();
  expect(await object.putEndpoint(endpoint('wh_1', ['job.failed']), CREATE)).toMatchObject({
    ok: false,
  });
  const tables = await runInDurableObject(stubOf(object), (_, { storage }) =>
    storage.sql.exec("SELECT name FROM sqlite_master WHERE name = 'account'").toArray(),
  );
  expect(tables).toEqual([]);
});

describe('a plan', () => {
  it('is given for good, and counts at once', async () => {
    const { object, caller } = await makeAccount('free');
    expect((await object.authenticate(caller, 'jobs:read')).ok).toBe(false);
    const profile = await administer(object, { kind: 'set_plan', plan: 'pro', until: null });
    expect(profile?.state).toMatchObject({
      plan: 'pro',
      planUntil: null,
      limitMillitokens: PLANS.pro.dailyMillitokens,
    });
    expect(await object.authenticate(caller, 'jobs:read')).toMatchObject({
      value: { plan: 'pro' },
    });
  });

  it('given for a time gives way to the one before, by a request or by the alarm', async () => {
    for (const byAlarm of [false, true]) {
      const { object } = await makeAccount('starter');
      const until = Date.now() + HOUR_MS;
      await administer(object, { kind: 'set_plan', plan: 'pro', until });
      await evictDurableObject(stubOf(object));
      expect(await object.authenticate(IDENTITY, 'jobs:read')).toMatchObject({
        value: { plan: 'pro' },
      });
      await later(object, HOUR_MS + 1, async (it) => {
        if (byAlarm) await (it as unknown as { alarm(): Promise<void> }).alarm();
        else await it.authenticate(IDENTITY, 'jobs:read');
        expect((await it.profile())?.state).toMatchObject({ plan: 'starter', planUntil: null });
      });
    }
  });

  it('given for a time over another such one gives way to the last that had no end', async () => {
    const { object } = await makeAccount('free');
    const until = Date.now() + HOUR_MS;
    await administer(object, { kind: 'set_plan', plan: 'starter', until });
    const profile = await administer(object, { kind: 'set_plan', plan: 'pro', until: until + 1 });
    expect(profile?.state).toMatchObject({ plan: 'pro', planAfter: 'free' });
  });

  it('wakes the object when it ends', async () => {
    const { object } = await makeAccount('starter');
    const until = Date.now() + 40 * DAY_MS;
    await administer(object, { kind: 'set_plan', plan: 'pro', until });
    // Alarms before look after the rows for Postgres; then nothing is left but the end.
    await eventually(async () => {
      await runDurableObjectAlarm(stubOf(object));
      const at = await runInDurableObject(stubOf(object), (_, { storage }) => storage.getAlarm());
      return at === until;
    });
  });

  it('may end later than the platform has alarms for', async () => {
    const { object } = await makeAccount('starter');
    const until = Date.parse('9999-12-31T00:00:00Z');
    await administer(object, { kind: 'set_plan', plan: 'pro', until });
    await eventually(async () => {
      await runDurableObjectAlarm(stubOf(object));
      const at = await runInDurableObject(stubOf(object), (_, { storage }) => storage.getAlarm());
      return at !== null && at > Date.now() + 300 * DAY_MS && at < until;
    });
  });

  it('that is less than what was used refuses further jobs, and settles the open ones', async () => {
    const { object, caller } = await makeAccount('pro');
    const pool = newPool();
    await TestAgent.start(pool);
    const spec = { ...SPEC, width: 1024, height: 1024, steps: 140, count: 4 };
    const answer = await submitTo(object, caller, submitInput(pool, { spec }));
    const jobId = answer.ok && !answer.value.replayed ? answer.value.job.record.id : '';
    await administer(object, { kind: 'set_plan', plan: 'free', until: null });
    expect(await submitTo(object, IDENTITY, submitInput(pool))).toMatchObject({
      error: { reason: 'tokens_exhausted', availableMillitokens: 0, limitMillitokens: 20_000 },
    });
    await object.settle([{ jobId, settledMillitokens: 1000 }]);
    expect((await submitTo(object, IDENTITY, submitInput(pool))).ok).toBe(true);
  });
});

describe('a grant', () => {
  const grant = (grantId: string, millitokens = 10_000): Measure => {
    return { kind: 'grant', grantId, millitokens };
  };

  it('counts for the day, once for its id, also over an eviction', async () => {
    const { object } = await makeAccount('free');
    await administer(object, grant('one'));
    await evictDurableObject(stubOf(object));
    const profile = await administer(object, grant('one'));
    expect(profile?.state).toMatchObject({ grantedMillitokens: 10_000, limitMillitokens: 30_000 });
    const deed = { actor: 'admin', requestId: 'req_other', reason: 'as a test' };
    const conflict = { ok: false, error: { reason: 'idempotency_conflict' } };
    expect(await object.administer(grant('one', 5000), deed)).toEqual(conflict);
    const otherwise = { ...deed, reason: 'another' };
    expect(await object.administer(grant('one'), otherwise)).toEqual(conflict);
    const more = await administer(object, grant('two', 5000));
    expect(more?.state).toMatchObject({ grantedMillitokens: 15_000, limitMillitokens: 35_000 });
    await later(object, DAY_MS, async (it) => {
      expect((await it.profile())?.state).toMatchObject({
        grantedMillitokens: 0,
        limitMillitokens: 20_000,
      });
    });
  });

  it('never lets more be held than limit and grant, however submits and grants interleave', async () => {
    const { object } = await makeAccount('free');
    const pool = newPool();
    await TestAgent.start(pool);
    const spec = { ...SPEC, width: 1024, height: 1024, steps: 100 };
    await administer(object, { kind: 'set_plan', plan: 'admin', until: null });
    await administer(object, grant('first', 1));
    await administer(object, { kind: 'set_plan', plan: 'free', until: null });
    // 5 tokens each: four fit the plan, and each two grants make room for one more.
    const calls = Array.from({ length: 30 }, (_, index) =>
      index % 3 === 2
        ? administer(object, grant(`g${index}`, 2500)).then(() => null)
        : submitTo(object, IDENTITY, submitInput(pool, { spec })),
    );
    const answers = await Promise.all(calls);
    const held = answers.filter((answer) => answer?.ok).length * 5000;
    const profile = await object.profile();
    expect(profile?.state).toMatchObject({ heldMillitokens: held, limitMillitokens: 45_001 });
    expect(held).toBeGreaterThanOrEqual(20_000);
    expect(held).toBeLessThanOrEqual(45_001);
  });
});

describe('a block', () => {
  it('refuses keys and chats alike until it is lifted, and says why to the operator', async () => {
    const { object, caller } = await makeAccount('pro');
    const profile = await administer(object, { kind: 'block' }, 'abuse');
    expect(profile?.blockReason).toBe('abuse');
    await evictDurableObject(stubOf(object));
    for (const who of [caller, IDENTITY]) {
      expect(await object.authenticate(who, 'jobs:read')).toEqual({
        ok: false,
        error: { reason: 'account_blocked' },
      });
    }
    expect((await administer(object, { kind: 'unblock' }))?.blockReason).toBeNull();
    expect((await object.authenticate(caller, 'jobs:read')).ok).toBe(true);
  });
});

describe('a chat', () => {
  it('needs no plan with an API, and is held to the rate of its plan', async () => {
    const { object } = await makeAccount('free');
    await later(object, 0, async (it) => {
      const now = Date.now();
      Date.now = () => now;
      for (let count = 0; count < PLANS.free.requestsPerMinute; count += 1) {
        expect((await it.authenticate(IDENTITY, 'jobs:write')).ok).toBe(true);
      }
      expect(await it.authenticate(IDENTITY, 'jobs:write')).toMatchObject({
        error: { reason: 'rate_limited', scope: 'account' },
      });
    });
  });
});

function endpoint(id: string, events: readonly ('job.completed' | 'job.failed' | 'tokens.low')[]) {
  return { id, url: 'https://example.com/', events, disabled: false, createdAt: Date.now() };
}

describe('webhook endpoints', () => {
  it('are as many as the plan allows; one may be replaced beyond that', async () => {
    const { object } = await makeAccount('starter');
    expect(await object.putEndpoint(endpoint('wh_1', ['job.failed']), CREATE)).toMatchObject({
      ok: true,
    });
    expect(await object.putEndpoint(endpoint('wh_2', ['job.failed']), CREATE)).toMatchObject({
      ok: true,
    });
    expect(await object.putEndpoint(endpoint('wh_3', ['job.failed']), CREATE)).toEqual({
      ok: false,
      error: { reason: 'too_many_webhooks', limit: 2 },
    });
    const update = { ...DEED, action: 'webhook.update' } as const;
    const changed = await object.putEndpoint(endpoint('wh_2', ['tokens.low']), update);
    expect(changed).toEqual({ ok: true, value: 'wh_2' });
    const unknown = await object.putEndpoint(endpoint('wh_9', ['tokens.low']), update);
    expect(unknown).toEqual({ ok: false, error: { reason: 'endpoint_not_found' } });
    expect(await object.deleteEndpoint('wh_1', DEED)).toBe(true);
    expect(await object.deleteEndpoint('wh_1', DEED)).toBe(false);
    expect(await object.disableEndpoint('wh_2')).toBe(true);
    expect(await object.disableEndpoint('wh_1')).toBe(false);
    await evictDurableObject(stubOf(object));
    expect(await object.endpoints()).toMatchObject([
      { id: 'wh_2', events: ['tokens.low'], disabled: true },
    ]);
  });

  it('that want to hear of jobs are named in the order of each, beside those of the submit', async () => {
    const { object, caller } = await makeAccount('pro');
    const pool = newPool();
    await TestAgent.start(pool);
    await object.putEndpoint(endpoint('wh_jobs', ['job.completed', 'tokens.low']), CREATE);
    await object.putEndpoint(endpoint('wh_tokens', ['tokens.low']), CREATE);
    await object.putEndpoint(endpoint('wh_off', ['job.failed']), CREATE);
    await object.disableEndpoint('wh_off');
    const url = 'https://example.com/once';
    const notice = { kind: 'webhook', courier: 'job:me', url, secret: null } as const;
    const answer = await submitTo(object, caller, submitInput(pool, { notices: [notice] }));
    expect(answer).toMatchObject({
      value: {
        job: {
          record: {
            notices: [notice, { kind: 'webhook', courier: 'wh_jobs', url: null, secret: null }],
          },
        },
      },
    });
  });
});

it('an account made before keys had limits wakes with its keys, jobs and tokens', async () => {
  const { object, caller, apiKeyId } = await makeAccount('pro');
  await runInDurableObject(stubOf(object), (_, { storage }) => {
    const { sql } = storage;
    sql.exec('UPDATE account SET spent = 700');
    for (const column of ['granted', 'plan_until', 'plan_after', 'block_reason', 'told_json']) {
      sql.exec(`ALTER TABLE account DROP COLUMN ${column}`);
    }
    sql.exec('ALTER TABLE account DROP COLUMN uses_json');
    sql.exec('ALTER TABLE api_key DROP COLUMN powers_json');
    sql.exec('ALTER TABLE job DROP COLUMN key_id');
    sql.exec('DROP TABLE endpoint');
  });
  await evictDurableObject(stubOf(object));
  expect(await object.state(caller)).toMatchObject({
    value: { account: { spentMillitokens: 700 }, key: { id: apiKeyId, scopes: [], budget: null } },
  });
  const pool = newPool();
  await TestAgent.start(pool);
  expect((await submitTo(object, caller, submitInput(pool))).ok).toBe(true);
});
