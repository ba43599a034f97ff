import { sql } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import { parseEnv } from '../env.ts';
import { bindings } from '../test/world.ts';
import { DatabaseTimeout, isRefusedData, openDb, toStorable, writeWithoutRefused } from './db.ts';

const env = parseEnv(bindings);

describe('the database', () => {
  it('is cut off when it takes too long, and serves the next one', async () => {
    const slow = openDb(env, (db) => db.execute(sql`select pg_sleep(5)`), 100);
    await expect(slow).rejects.toThrow(DatabaseTimeout);
    const { rows } = await openDb(env, (db) => db.execute(sql`select 1 as one`));
    expect(rows).toEqual([{ one: 1 }]);
  });

  it('is cut off within a transaction too, which is undone', async () => {
    const name = `t${crypto.randomUUID().slice(0, 8)}`;
    const slow = openDb(
      env,
      (db) =>
        db.transaction(async (tx) => {
          await tx.execute(sql`create table ${sql.identifier(name)} (n integer)`);
          await tx.execute(sql`select pg_sleep(5)`);
        }),
      300,
    );
    await expect(slow).rejects.toThrow(DatabaseTimeout);
    const found = await openDb(env, (db) => db.execute(sql`select to_regclass(${name}) as made`));
    expect(found.rows).toEqual([{ made: null }]);
  });

  it('opens no connection of its own for a statement, and one for a transaction', async () => {
    const id = sql`select pg_backend_pid() as pid, inet_client_port() as port`;
    const backends = new Set<unknown>();
    for (let n = 0; n < 8; n += 1) {
      const { rows } = await openDb(env, (db) => db.execute(id));
      backends.add(rows[0]?.['pid']);
    }
    const inside = await openDb(env, (db) => db.transaction((tx) => tx.execute(id)));
    expect(backends.size).toBeLessThan(8);
    expect(backends).not.toContain(inside.rows[0]?.['pid']);
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
