import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { lockData } from './data-lock.ts';

let data: string;
beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'tessera-lock-'));
});
afterEach(() => rm(data, { recursive: true, force: true }));

it('lets one process have the folder, and the next when it is through', async () => {
  const first = await lockData(data);
  expect(await lockData(data)).toEqual({ ok: false, holder: process.pid });
  if (first.ok) await first.release();
  expect((await lockData(data)).ok).toBe(true);
});

it.each([
  ['of a process that is gone', '999999999 1'],
  ['of another process that had the same id', `${process.pid} 1`],
  ['that was never written whole', ''],
])('takes over a lock %s', async (_, text) => {
  await writeFile(join(data, 'agent.lock'), text);
  expect((await lockData(data)).ok).toBe(true);
  expect(await readFile(join(data, 'agent.lock'), 'utf8')).toContain(`${process.pid} `);
});

it('takes over a stale lock also when another one was killed while it did so', async () => {
  await writeFile(join(data, 'agent.lock'), '999999999 1');
  await writeFile(join(data, 'agent.lock.stale'), '999999998 1');
  expect((await lockData(data)).ok).toBe(true);
  expect(await readdir(data)).toEqual(['agent.lock']);
});

it('lets one of several have it that find a stale one at once', async () => {
  for (let round = 0; round < 30; round++) {
    await writeFile(join(data, 'agent.lock'), '999999999 1');
    const locks = await Promise.all(Array.from({ length: 4 }, () => lockData(data)));
    expect(locks.filter(({ ok }) => ok)).toHaveLength(1);
    for (const lock of locks) if (lock.ok) await lock.release();
    expect(await readdir(data)).toEqual([]);
  }
});
