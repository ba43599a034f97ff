import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { writeJson } from './disk.ts';
import { takeLock } from './lock.ts';

let data: string;
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'tessera-lock-'));
});
afterEach(() => rmSync(data, { recursive: true }));

function startOf(pid: number): string {
  return spawnSync('ps', ['-o', 'lstart=', '-p', String(pid)], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  }).stdout.trim();
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
