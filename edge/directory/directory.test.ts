import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { and, eq } from 'drizzle-orm';
import { expect, it } from 'vitest';
import { identity as identities } from '#schema/tables/index.ts';
import { parseEnv } from '../env.ts';
import type { DirectoryObject } from '../rpc/directory.ts';
import { openDb } from '../io/db.ts';
import { bindings, eventually } from '../test/world.ts';

let count = 0;
/** A user that no other test has. */
function newContact() {
  count += 1;
  const identity = `telegram:${Date.now()}${count}`;
  const object = bindings.DIRECTORY.getByName(identity);
  return { identity, object, contact: { identity, name: 'Ada', requestId: `req_${identity}` } };
}
const stubOf = (object: DirectoryObject) => object as unknown as DurableObjectStub;

it('makes a free account at first contact, and knows it ever after', async () => {
  const { object, contact } = newContact();
  expect(await object.find()).toBeNull();
  const first = await object.resolve(contact);
  expect(first.isNew).toBe(true);
  await evictDurableObject(stubOf(object));
  expect(await object.find()).toBe(first.accountId);
  expect(await object.resolve(contact)).toEqual({ ...first, isNew: false });
  const profile = await bindings.ACCOUNT.getByName(first.accountId).profile();
  expect(profile).toMatchObject({ name: 'Ada', state: { plan: 'free' }, keys: [] });
});

it('makes one account however many contacts come at once, and one of them is the first', async () => {
  const { object, contact } = newContact();
  const answers = await Promise.all(Array.from({ length: 20 }, () => object.resolve(contact)));
  expect(new Set(answers.map(({ accountId }) => accountId)).size).toBe(1);
  expect(answers.filter(({ isNew }) => isNew)).toHaveLength(1);
});

it('makes the account that was chosen, when a fault came between', async () => {
  const { object, contact, identity } = newContact();
  // As after a crash between the choice and the account: the id is written, nothing else is.
  const { accountId } = await object.resolve(contact);
  const chosen = accountId.replace(/.$/, (last) => (last === '0' ? '1' : '0'));
  await runInDurableObject(stubOf(object), (_, { storage }) => {
    storage.sql.exec('UPDATE contact SET made = 0, account_id = ?', chosen);
  });
  await evictDurableObject(stubOf(object));
  expect(await object.find()).toBeNull();
  expect(await object.resolve(contact)).toEqual({ accountId: chosen, isNew: true });
  const profile = await bindings.ACCOUNT.getByName(chosen).profile();
  expect(profile?.state.id).toBe(chosen);
  expect(await object.resolve({ ...contact, identity })).toEqual({
    accountId: chosen,
    isNew: false,
  });
});

it('finishes an account that was made, when the fault came right after', async () => {
  const { object, contact } = newContact();
  const { accountId } = await object.resolve(contact);
  await runInDurableObject(stubOf(object), (_, { storage }) => {
    storage.sql.exec('UPDATE contact SET made = 0');
  });
  await evictDurableObject(stubOf(object));
  expect((await object.resolve(contact)).accountId).toBe(accountId);
});

it('tells Postgres, by its alarm when it was not told at once', async () => {
  const { object, contact, identity } = newContact();
  const { accountId } = await object.resolve(contact);
  await runDurableObjectAlarm(stubOf(object));
  const [provider, subject] = identity.split(':') as [string, string];
  const isIt = and(eq(identities.provider, provider), eq(identities.subject, subject));
  const rows = await eventually(async () => {
    const found = await openDb(parseEnv(bindings), (db) =>
      db.select().from(identities).where(isIt),
    );
    return found.length > 0 && found;
  });
  expect(rows).toMatchObject([{ accountId }]);
});

it('refuses what names no user, and a user of another directory', async () => {
  const { object, contact } = newContact();
  const bad = ['telegram', 'telegram:', ':5', 'Tele gram:5', `telegram:${'5'.repeat(65)}`];
  await runInDurableObject(stubOf(object), async (instance) => {
    const directory = instance as unknown as DirectoryObject;
    for (const identity of bad) {
      await expect(directory.resolve({ ...contact, identity })).rejects.toThrow('names a provider');
    }
    expect(await directory.find()).toBeNull();
    await directory.resolve(contact);
    const other = { ...contact, identity: 'telegram:1' };
    await expect(directory.resolve(other)).rejects.toThrow('one identity');
  });
});
