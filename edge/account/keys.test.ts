import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DAY_MS, KEYS_KEPT_MAX } from '#schema/limits.ts';
import { PLANS } from '#schema/plan.ts';
import type { AccountObject, Caller, NewKey } from '../rpc/account.ts';
import { makeApiKeyId } from '../io/id.ts';
import { hashSha256, makeSecret } from '../io/token.ts';
import { makeAccount, newPool, stubOf, submitInput, submitTo, TestAgent } from '../test/world.ts';

const CHANGE = { actor: 'test', requestId: 'req_key', reason: null, byKeyId: null };
const HOUR_MS = 60 * 60 * 1000;

/** A key with these limits, and who calls with it. */
async function makeKey(object: AccountObject, more: Partial<NewKey> = {}) {
  const secretHash = await hashSha256(makeSecret());
  const id = makeApiKeyId(Date.now());
  const key: NewKey = {
    ...{ id, secretHash, hint: 'hint', name: 'a key', scopes: [], models: null },
    ...{ dailyMillitokens: null, requestsPerMinute: null, expiresAt: null, ...more },
  };
  const made = await object.makeKey(key, { ...CHANGE, requestId: `req_${id}` });
  const caller: Caller = { kind: 'key', secretHash };
  return { made, id, caller, key };
}

async function world(plan: 'starter' | 'pro' = 'pro') {
  const account = await makeAccount(plan);
  const pool = newPool();
  const agent = await TestAgent.start(pool);
  return { account, pool, agent, object: account.object };
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

const shown = async (object: AccountObject, id: string) =>
  (await object.keys()).find((key) => key.id === id);

describe('a key', () => {
  it('does what its scopes say and nothing else, and the refusal counts as a request', async () => {
    const { object } = await world();
    const { caller } = await makeKey(object, { scopes: ['jobs:read'] });
    const read = await object.authenticate(caller, 'jobs:read');
    const before = read.ok ? read.value.rate.remaining : NaN;
    expect(await object.authenticate(caller, 'jobs:write')).toMatchObject({
      error: { reason: 'scope_required', scope: 'jobs:write', rate: { remaining: before - 1 } },
    });
    expect(await object.state(caller)).toMatchObject({
      error: { reason: 'scope_required', scope: 'account:read' },
    });
  });

  it('without the scope submits nothing and quotes nothing', async () => {
    const { object, pool } = await world();
    const { caller } = await makeKey(object, { scopes: ['jobs:read'] });
    const refusal = { ok: false, error: { reason: 'scope_required', scope: 'jobs:write' } };
    expect(await submitTo(object, caller, submitInput(pool))).toMatchObject(refusal);
    expect(await object.quote(caller, submitInput(pool))).toMatchObject(refusal);
  });

  it('that has expired says so, and opens nothing', async () => {
    const { object } = await world();
    const expiresAt = Date.now() + HOUR_MS;
    const { caller } = await makeKey(object, { expiresAt });
    expect((await object.authenticate(caller, 'jobs:read')).ok).toBe(true);
    await later(object, HOUR_MS, async (it) => {
      expect(await it.authenticate(caller, 'jobs:read')).toEqual({
        ok: false,
        error: { reason: 'key_expired', expiredAt: expiresAt },
      });
    });
  });

  it('uses no model but those it is kept to', async () => {
    const { object, pool } = await world();
    const { caller } = await makeKey(object, { models: ['chat'] });
    expect(await submitTo(object, caller, submitInput(pool))).toMatchObject({
      error: { reason: 'model_not_allowed', model: 'painter', allowed: ['chat'] },
    });
  });

  it('has a rate of its own beside the account', async () => {
    const { object, account } = await world();
    const { caller } = await makeKey(object, { requestsPerMinute: 2 });
    await later(object, 0, async (it) => {
      const now = Date.now();
      Date.now = () => now;
      expect(await it.authenticate(caller, 'jobs:read')).toMatchObject({
        value: { rate: { limit: 2, remaining: 1 } },
      });
      expect((await it.authenticate(caller, 'jobs:read')).ok).toBe(true);
      expect(await it.authenticate(caller, 'jobs:read')).toMatchObject({
        error: { reason: 'rate_limited', scope: 'key', retryAfterMs: 30_000 },
      });
      expect((await it.authenticate(account.caller, 'jobs:read')).ok).toBe(true);
    });
  });

  it('tells when it was last used, to the hour, also after an eviction', async () => {
    const { object } = await world();
    const { caller, id } = await makeKey(object);
    expect((await shown(object, id))?.usedAt).toBeNull();
    await object.authenticate(caller, 'jobs:read');
    await evictDurableObject(stubOf(object));
    const first = (await shown(object, id))?.usedAt ?? 0;
    expect(first).toBeGreaterThan(0);
    await object.authenticate(caller, 'jobs:read');
    expect((await shown(object, id))?.usedAt).toBe(first);
    await later(object, HOUR_MS + 1, async (it) => {
      await it.authenticate(caller, 'jobs:read');
      expect((await it.keys()).find((key) => key.id === id)?.usedAt).toBeGreaterThan(first);
    });
  });
});

describe('a rotation', () => {
  const rotate = async (object: AccountObject, id: string, overlapMs: number) => {
    const secretHash = await hashSha256(makeSecret());
    const to = { id, secretHash, hint: 'next', overlapMs };
    const rotated = await object.rotateKey(to, CHANGE);
    return { rotated, caller: { kind: 'key', secretHash } as const };
  };

  it('without an overlap ends the old secret at once', async () => {
    const { object } = await world();
    const { caller, id } = await makeKey(object);
    const next = await rotate(object, id, 0);
    expect(next.rotated).toMatchObject({ ok: true, value: { hint: 'next', overlapUntil: null } });
    expect((await object.authenticate(caller, 'jobs:read')).ok).toBe(false);
    expect((await object.authenticate(next.caller, 'jobs:read')).ok).toBe(true);
  });

  it('keeps the old secret until the overlap ends, also over an eviction', async () => {
    const { object } = await world();
    const { caller, id } = await makeKey(object);
    const next = await rotate(object, id, HOUR_MS);
    await evictDurableObject(stubOf(object));
    expect((await object.authenticate(caller, 'jobs:read')).ok).toBe(true);
    expect((await object.authenticate(next.caller, 'jobs:read')).ok).toBe(true);
    await later(object, HOUR_MS + 1, async (it) => {
      expect(await it.authenticate(caller, 'jobs:read')).toMatchObject({
        error: { reason: 'unauthorized' },
      });
      expect((await it.authenticate(next.caller, 'jobs:read')).ok).toBe(true);
    });
  });

  it('within an overlap ends the older secret: two work at most', async () => {
    const { object } = await world();
    const { caller, id } = await makeKey(object);
    const second = await rotate(object, id, HOUR_MS);
    const third = await rotate(object, id, HOUR_MS);
    const works = async (who: Caller) => (await object.authenticate(who, 'jobs:read')).ok;
    expect([await works(caller), await works(second.caller), await works(third.caller)]).toEqual([
      false,
      true,
      true,
    ]);
  });

  it('of a revoked key is refused, and a revocation ends an overlap too', async () => {
    const { object } = await world();
    const { caller, id } = await makeKey(object);
    await rotate(object, id, HOUR_MS);
    expect(await object.revokeKey(id, CHANGE)).toBe(true);
    expect((await object.authenticate(caller, 'jobs:read')).ok).toBe(false);
    const again = await rotate(object, id, 0);
    expect(again.rotated).toEqual({ ok: false, error: { reason: 'key_not_found' } });
  });
});

describe('keys', () => {
  it('are as many as the plan allows; a revoked one makes room', async () => {
    const { object, account } = await world('starter');
    const limit = PLANS.starter.keysMax;
    for (let count = 1; count < limit; count += 1) {
      expect((await makeKey(object)).made.ok).toBe(true);
    }
    const refused = { ok: false, error: { reason: 'too_many_keys', limit } };
    expect((await makeKey(object)).made).toEqual(refused);
    await object.revokeKey(account.apiKeyId, CHANGE);
    expect((await makeKey(object)).made.ok).toBe(true);
  });

  it('that were revoked are forgotten in the end, oldest first, and live ones never', async () => {
    const { object, account } = await world();
    for (let count = 0; count < KEYS_KEPT_MAX + 5; count += 1) {
      const { id } = await makeKey(object);
      await object.revokeKey(id, CHANGE);
    }
    const { rows } = await runInDurableObject(stubOf(object), (_, { storage }) =>
      storage.sql.exec<{ rows: number }>('SELECT count(*) AS rows FROM api_key').one(),
    );
    expect(rows).toBe(KEYS_KEPT_MAX);
    expect((await object.authenticate(account.caller, 'jobs:read')).ok).toBe(true);
  });

  it('hand out no more than they have', async () => {
    const { object } = await world();
    const manager = await makeKey(object, { scopes: ['keys:write', 'jobs:read'] });
    const by = { ...CHANGE, byKeyId: manager.id };
    const secretHash = await hashSha256(makeSecret());
    const wish = { ...manager.key, id: makeApiKeyId(Date.now()), secretHash };
    const refusal = { ok: false, error: { reason: 'key_too_narrow', scopes: manager.key.scopes } };
    expect(await object.makeKey({ ...wish, scopes: [] }, by)).toEqual(refusal);
    expect(await object.makeKey({ ...wish, scopes: ['jobs:write'] }, by)).toEqual(refusal);
    expect((await object.makeKey({ ...wish, scopes: ['jobs:read'] }, by)).ok).toBe(true);
    const whole = await makeKey(object);
    const taken = { id: whole.id, secretHash, hint: 'mine', overlapMs: 0 };
    expect(await object.rotateKey(taken, by)).toEqual(refusal);
  });
});

describe('a budget', () => {
  it('is held and settled with the account, and renews with the day', async () => {
    const { object, pool, agent } = await world();
    const { caller, id } = await makeKey(object, { dailyMillitokens: 500 });
    expect((await submitTo(object, caller, submitInput(pool))).ok).toBe(true);
    expect((await submitTo(object, caller, submitInput(pool))).ok).toBe(true);
    expect((await shown(object, id))?.budget).toMatchObject({ heldMillitokens: 500 });
    await evictDurableObject(stubOf(object));
    const refused = await submitTo(object, caller, submitInput(pool));
    expect(refused).toMatchObject({
      error: {
        reason: 'key_budget_exhausted',
        neededMillitokens: 250,
        availableMillitokens: 0,
        limitMillitokens: 500,
      },
    });
    const renewsAt = !refused.ok && 'renewsAt' in refused.error ? refused.error.renewsAt : 1;
    expect(renewsAt % DAY_MS).toBe(0);
    await later(object, DAY_MS, async (it) => {
      await agent.register();
      expect((await submitTo(it, caller, submitInput(pool))).ok).toBe(true);
      const [budget] = (await it.keys()).filter((key) => key.id === id).map((key) => key.budget);
      expect(budget).toMatchObject({ heldMillitokens: 250, spentMillitokens: 0 });
    });
  });

  it('of a key that its pool refuses is given back', async () => {
    const account = await makeAccount();
    const { caller, id } = await makeKey(account.object, { dailyMillitokens: 500 });
    const refused = await submitTo(account.object, caller, submitInput(newPool()));
    expect(refused).toMatchObject({ error: { reason: 'no_agent' } });
    expect((await shown(account.object, id))?.budget).toMatchObject({ heldMillitokens: 0 });
  });

  it('does not bind other keys, nor do theirs bind it', async () => {
    const { object, pool, account } = await world();
    const { caller } = await makeKey(object, { dailyMillitokens: 250 });
    expect((await submitTo(object, account.caller, submitInput(pool))).ok).toBe(true);
    expect((await submitTo(object, caller, submitInput(pool))).ok).toBe(true);
    expect((await submitTo(object, caller, submitInput(pool))).ok).toBe(false);
    expect((await submitTo(object, account.caller, submitInput(pool))).ok).toBe(true);
  });

  it('is exact in any order of submits, settlements and restarts, on key and account', async () => {
    const step = fc.oneof(
      { weight: 3, arbitrary: fc.record({ submit: fc.constantFrom(0, 1, 2) }) },
      { weight: 2, arbitrary: fc.record({ settle: fc.nat(), share: fc.nat(250) }) },
      { weight: 1, arbitrary: fc.constant({ evict: true as const }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        const { object, pool, account } = await world();
        const budgets = [1000, 600];
        const keys = await Promise.all(
          budgets.map((dailyMillitokens) => makeKey(object, { dailyMillitokens })),
        );
        const callers = [...keys.map(({ caller }) => caller), account.caller];
        const open: { jobId: string; by: number }[] = [];
        const spent = [0, 0, 0];
        for (const one of steps) {
          if ('submit' in one) {
            const by = one.submit;
            const input = submitInput(pool);
            const answers = await Promise.all([
              submitTo(object, callers[by]!, input),
              submitTo(object, callers[by]!, submitInput(pool)),
            ]);
            for (const answer of answers) {
              if (!answer.ok) expect(answer.error.reason).toBe('key_budget_exhausted');
              else if (!answer.value.replayed) open.push({ jobId: answer.value.job.record.id, by });
            }
          } else if ('evict' in one) {
            await evictDurableObject(stubOf(object));
          } else if (open.length > 0) {
            const [{ jobId, by }] = open.splice(one.settle % open.length, 1) as [(typeof open)[0]];
            const settlement = [{ jobId, settledMillitokens: one.share }];
            await object.settle(settlement);
            await object.settle(settlement);
            spent[by]! += one.share;
          }
          const state = await object.keys();
          for (const [by, { id }] of keys.entries()) {
            const budget = state.find((key) => key.id === id)!.budget!;
            const held = open.filter((job) => job.by === by).length * 250;
            expect(budget).toMatchObject({ heldMillitokens: held, spentMillitokens: spent[by] });
            expect(held + spent[by]!).toBeLessThanOrEqual(budgets[by]!);
          }
          expect(await object.profile()).toMatchObject({
            state: {
              heldMillitokens: open.length * 250,
              spentMillitokens: spent.reduce((sum, one) => sum + one, 0),
            },
          });
        }
      }),
      { numRuns: 12 },
    );
  });
});
