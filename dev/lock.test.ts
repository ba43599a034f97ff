import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { readJson, writeJson } from './disk.ts';
import { takeLock } from './lock.ts';
import { findProcess } from './process-table.ts';

let data: string;
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'tessera-lock-'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(data, { recursive: true });
});

function startOf(pid: number): string {
  const found = findProcess(pid);
  return typeof found === 'string' ? '' : found.startedAt;
}

it('refuses while the process that holds it lives', () => {
  const held = { pid: process.ppid, startedAt: startOf(process.ppid), groups: [] };
  writeJson(join(data, 'launcher.lock'), held);
  expect(() => takeLock(data)).toThrow(/Another launcher \(process \d+\)/);
});

it('takes over when the process id is now another process', () => {
  const held = { pid: process.ppid, startedAt: 'Thu Jan  1 00:00:00 1970', groups: [] };
  writeJson(join(data, 'launcher.lock'), held);
  expect(() => takeLock(data).release()).not.toThrow();
});

it('can be taken again after its release', () => {
  takeLock(data).release();
  expect(() => takeLock(data)).not.toThrow();
});

it('refuses, and keeps the file, when it cannot know whether the holder lives', () => {
  const held = { pid: process.ppid, startedAt: '', groups: [] };
  writeJson(join(data, 'launcher.lock'), held);
  expect(() => takeLock(data)).toThrow(/may be a launcher/);
  expect(readJson(join(data, 'launcher.lock'))).toEqual(held);
});

it('is taken over from a process that ended', () => {
  const { pid } = spawnSync('true');
  writeJson(join(data, 'launcher.lock'), { pid, startedAt: '', groups: [] });
  expect(() => takeLock(data)).not.toThrow();
});

it('refuses as well without a ps on the PATH, as on slim images', () => {
  const held = { pid: process.ppid, startedAt: startOf(process.ppid), groups: [] };
  writeJson(join(data, 'launcher.lock'), held);
  vi.stubEnv('PATH', data);
  expect(() => takeLock(data)).toThrow(/Another launcher|may be a launcher/);
});
