import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { askGpu } from './gpu.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tessera-gpu-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** A driver's tool that says this and ends so. */
async function tool(name: string, says: string, code = 0): Promise<string> {
  const file = join(folder, name);
  await writeFile(file, `#!/bin/sh\necho '${says}'\nexit ${code}\n`);
  await chmod(file, 0o755);
  return file;
}

it('asks where the tool is, and where it may be instead', async () => {
  const there = await tool('there', 'NVIDIA GeForce RTX 3060, 12288, 11000');
  const gpu = { name: 'NVIDIA GeForce RTX 3060', vramMib: 12288, vramFreeMib: 11000 };
  const { signal } = new AbortController();
  expect(await askGpu(signal, [join(folder, 'none'), there])).toEqual(gpu);
});

it('counts a box whose driver fails, or that has none, as one without a GPU', async () => {
  const broken = await tool('broken', 'no devices were found', 6);
  const { signal } = new AbortController();
  expect(await askGpu(signal, [broken])).toBeNull();
  expect(await askGpu(signal, [join(folder, 'none')])).toBeNull();
});
