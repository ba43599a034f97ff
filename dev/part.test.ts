import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Part } from './part.ts';
import { findProcess } from './process-table.ts';

let logDir: string;
let lines: string[];
let part: Part | undefined;
beforeEach(() => {
  logDir = mkdtempSync(join(tmpdir(), 'tessera-part-'));
  lines = [];
});
afterEach(async () => {
  await part?.stop();
  rmSync(logDir, { recursive: true });
});

const READY = 'process.send({ ready: true, pid: process.pid });';
const STAY = 'setInterval(() => {}, 1000);';

function make(script: string, stopMs = 5000): Part {
  part = new Part({
    name: 'toy',
    args: ['--eval', script],
    cwd: logDir,
    logDir,
    stopMs,
    announces: true,
    print: (line) => lines.push(line),
  });
  return part;
}

/** Alive and no zombie: a test machine may have nobody who reaps orphans at once. */
function isRunning(pid: unknown): boolean {
  return findProcess(Number(pid)) !== 'gone';
}

describe('a part', () => {
  it('is started again, and named, when it dies', async () => {
    const toy = make(READY + STAY);
    const { pid } = await toy.start();
    toy.kill();
    await vi.waitFor(() => expect(lines.at(-1)).toMatch(/toy is back/), { timeout: 10_000 });
    expect(lines[0]).toMatch(/toy ended \(SIGKILL\); again in/);
    expect(toy.pid).not.toBe(pid);
  });

  it('fails its start when it ends before it is ready', async () => {
    await expect(make('process.exit(3)').start()).rejects.toThrow(/toy ended \(3\)/);
  });

  it('stays stopped', async () => {
    const toy = make(READY + STAY);
    const { pid } = await toy.start();
    await toy.stop();
    expect(isRunning(pid)).toBe(false);
    expect(lines).toEqual([]);
  });

  it('is killed when it does not stop in time', async () => {
    const toy = make(`process.on('SIGTERM', () => {}); ${READY} ${STAY}`, 200);
    const { pid } = await toy.start();
    await toy.stop();
    expect(isRunning(pid)).toBe(false);
  });

  it('takes what it left behind with it', async () => {
    const child = `require('child_process').spawn('sleep', ['60'])`;
    const toy = make(`process.send({ ready: true, pid: ${child}.pid }); ${STAY}`);
    const { pid } = await toy.start();
    await toy.stop();
    await vi.waitFor(() => expect(isRunning(pid)).toBe(false), { timeout: 5000 });
  });

  it('ends when its launcher is killed', async () => {
    const launcher = `
      import { Part } from ${JSON.stringify(join(import.meta.dirname, 'part.ts'))};
      const part = new Part({
        name: 'toy', args: ['--eval', ${JSON.stringify(READY + STAY)}], cwd: '.',
        logDir: ${JSON.stringify(logDir)}, stopMs: 1000, announces: true, print: () => {},
      });
      process.send({ ready: true, ...(await part.start()) });
    `;
    const outer = new Part({
      name: 'outer',
      args: ['--input-type=module', '--eval', launcher],
      cwd: logDir,
      logDir,
      stopMs: 1000,
      announces: true,
      print: () => {},
    });
    part = outer;
    const { pid } = await outer.start();
    expect(isRunning(pid)).toBe(true);
    outer.kill();
    await vi.waitFor(() => expect(isRunning(pid)).toBe(false), { timeout: 5000 });
  });
});
