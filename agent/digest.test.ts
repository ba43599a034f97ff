import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { digestFile } from './digest.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tessera-digest-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const ABC = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';

it('hashes a file without an end of line as sha256sum does', async () => {
  await writeFile(join(directory, 'abc'), 'abc');
  expect(await digestFile(join(directory, 'abc'))).toEqual({ bytes: 3, sha256: ABC });
});

it('hashes a part of a file as it would a file of that part', async () => {
  await writeFile(join(directory, 'more'), 'xxabcyyy');
  const range = { start: 2, bytes: 3 };
  expect(await digestFile(join(directory, 'more'), { range })).toEqual({ bytes: 3, sha256: ABC });
  const beyond = { start: 6, bytes: 3 };
  expect((await digestFile(join(directory, 'more'), { range: beyond })).bytes).toBe(2);
});
