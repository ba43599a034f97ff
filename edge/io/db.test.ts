import { sql } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import { job } from '#schema/tables/index.ts';
import { parseEnv } from '../env.ts';
import { bindings } from '../test/world.ts';
import {
  DatabaseTimeout,
  isRefusedData,
  openDb,
  setExcluded,
  toStorable,
  writeWithoutRefused,
} from './db.ts';

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

describe('a write without what is refused', () => {
  const refusal = () => Object.assign(new Error('refused'), { code: '23502' });
  const writeTo = (written: number[], isGood: (item: number) => boolean) => {
    return async (items: readonly number[]) => {
      if (!items.every(isGood)) throw refusal();
      written.push(...items);
    };
  };

  it('leaves out an item that is bad, and writes its neighbours', async () => {
    const written: number[] = [];
    const refused: number[] = [];
    const write = writeTo(written, (item) => item !== 2);
    await writeWithoutRefused([1, 2, 3, 4], write, (item) => refused.push(item));
    expect([written, refused]).toEqual([[1, 3, 4], [2]]);
    await writeWithoutRefused([2], write, (item) => refused.push(item));
    expect(refused).toEqual([2, 2]);
  });

  it('throws when every item of several is refused: not they are wrong then', async () => {
    const refused: number[] = [];
    const write = writeTo([], () => false);
    const writing = writeWithoutRefused([1, 2, 3], write, (item) => refused.push(item));
    await expect(writing).rejects.toThrow('refused');
    expect(refused).toEqual([]);
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
