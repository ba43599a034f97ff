import { eq, inArray } from 'drizzle-orm';
import { expect, it } from 'vitest';
import { account, agent, apiKey, audit } from '#schema/tables/index.ts';
import { parseEnv } from '../env.ts';
import { openDb } from '../io/db.ts';
import { makeAccountId, makeAgentId, makeApiKeyId } from '../io/id.ts';
import { bindings } from '../test/world.ts';
import { mirrorAccount } from './mirror-account.ts';
import type { MirrorRow } from './mirror-account.ts';

const env = parseEnv(bindings);
const NOW = Date.UTC(2026, 10, 22);
const createdAt = new Date(NOW).toISOString();

it('writes rows of every kind, the last of each id, as often as they are sent', async () => {
  const [accountId, keyId, agentId] = [makeAccountId(NOW), makeApiKeyId(NOW), makeAgentId(NOW)];
  const person = { id: accountId, name: 'Ada', plan: 'free', createdAt };
  const key = { id: keyId, accountId, name: 'first', secretHash: 'x', createdAt };
  const box = { id: agentId, pool: 'main', name: 'box', tokenHash: 'y', createdAt };
  const entry = {
    id: accountId,
    actor: 'admin',
    action: 'account.create',
    target: accountId,
    detail: {},
    createdAt,
  };
  const rows: MirrorRow[] = [
    { table: 'account', row: person },
    { table: 'account', row: { ...person, plan: 'pro' } },
    { table: 'api_key', row: { ...key, revokedAt: createdAt } },
    { table: 'agent', row: { ...box, capabilities: { gpu: null, engines: [] } } },
    { table: 'audit', row: entry },
    { table: 'audit', row: entry },
  ];
  for (let count = 0; count < 2; count += 1) await mirrorAccount(env, rows);
  await mirrorAccount(env, [{ table: 'agent', row: { ...box, lastSeenAt: createdAt } }]);
  const found = await openDb(env, async (db) => ({
    accounts: await db.select().from(account).where(eq(account.id, accountId)),
    keys: await db.select().from(apiKey).where(eq(apiKey.id, keyId)),
    agents: await db.select().from(agent).where(eq(agent.id, agentId)),
    entries: await db.select().from(audit).where(eq(audit.target, accountId)),
  }));
  expect(found.accounts).toMatchObject([{ plan: 'pro', blocked: false, createdAt: new Date(NOW) }]);
  expect(found.keys).toMatchObject([{ revokedAt: new Date(NOW), scopes: [] }]);
  expect(found.agents).toMatchObject([{ lastSeenAt: new Date(NOW), capabilities: null }]);
  expect(found.entries).toHaveLength(1);
});

it('takes a crowd of new accounts at once, each from an object of its own', async () => {
  // More than Postgres takes connections.
  const ids = Array.from({ length: 300 }, (_, n) => makeAccountId(NOW + n));
  const row = (id: string): MirrorRow => ({
    table: 'account',
    row: { id, name: 'one of many', plan: 'free', createdAt },
  });
  await Promise.all(ids.map((id) => mirrorAccount(env, [row(id)])));
  const found = await openDb(env, (db) =>
    db.select({ id: account.id }).from(account).where(inArray(account.id, ids)),
  );
  expect(found.map(({ id }) => id).toSorted()).toEqual(ids);
});

it('has nothing to do with no rows, even while Postgres is away', async () => {
  await mirrorAccount({ ...env, databaseWsProxy: '127.0.0.1:9/v1' }, []);
});

it('leaves out a row that Postgres refuses, and writes those around it', async () => {
  const [before, after] = [makeAccountId(NOW), makeAccountId(NOW + 1)];
  const row = (id: string, name: string | null): MirrorRow => ({
    table: 'account',
    row: { id, name: name as string, plan: 'free', createdAt },
  });
  await mirrorAccount(env, [row(before, 'Ada'), row(makeAccountId(NOW), null), row(after, 'Bo')]);
  const found = await openDb(env, (db) =>
    db
      .select({ name: account.name })
      .from(account)
      .where(inArray(account.id, [before, after])),
  );
  expect(found.map(({ name }) => name).toSorted()).toEqual(['Ada', 'Bo']);
});
