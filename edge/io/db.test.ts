import { sql } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import { job } from '#schema/tables/index.ts';
import { parseEnv } from '../env.ts';
import { bindings } from '../test/world.ts';
import { DatabaseTimeout, isRefusedData, openDb, setExcluded, toStorable } from './db.ts';

const env = parseEnv(bindings);

describe('the database', () => {
  it('is cut off when it takes too long, and serves the next one', async () => {
    const slow = openDb(env, (db) => db.execute(sql`select pg_sleep(5)`), 100);
    await expect(slow).rejects.toThrow(DatabaseTimeout);
    const { rows } = await openDb(env, (db) => db.execute(sql`select 1 as one`));
    expect(rows).toEqual([{ one: 1 }]);
  });

  it('gives the connection back when the work throws', async () => {
    const failing = openDb(env, async () => {
      throw new Error('mine');
    });
    await expect(failing).rejects.toThrow('mine');
  });

  it('names a query that failed without the texts it carried', async () => {
    const failing = openDb(env, (db) => db.execute(sql`select ${'secret prompt'}::int`));
    const error = await failing.catch((thrown: unknown) => thrown as Error);
    expect((error as Error).message).toMatch(/^query failed: select/);
    expect((error as Error).message).not.toContain('secret prompt');
    expect(isRefusedData(error)).toBe(true);
    expect(isRefusedData(new Error('away'))).toBe(false);
  });
});

it('stores texts as Postgres can hold them', () => {
  const at = new Date();
  const value = { a: ['x\0y', { '\ud800': '\udc00😀' }], at, n: 1, none: null };
  expect(toStorable(value)).toEqual({
    a: ['x\ufffdy', { '\ufffd': '\ufffd😀' }],
    at,
    n: 1,
    none: null,
  });
});

it('names every column as the database does', () => {
  const names = Object.keys(setExcluded(job));
  expect(names).toContain('heldMillitokens');
  expect(names).toContain('apiKeyId');
});
