/** The first making of a data folder, killed or stopped at any moment. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DatabaseOrder } from './database.ts';
import { findFreePort } from './port.ts';
import { removePostgresData } from './postgres-home.ts';

const MOMENTS_MS = [20, 150, 400];

let folder: string;
let order: DatabaseOrder & { kind: 'embedded' };
let children: ChildProcess[] = [];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tessera-initdb-'));
  chmodSync(folder, 0o711);
  order = {
    kind: 'embedded',
    dataDir: join(folder, 'postgres'),
    port: await findFreePort(),
    bridgePort: await findFreePort(),
  };
});
afterEach(async () => {
  for (const child of children) {
    if (child.exitCode === null && child.signalCode === null) await end(child, 'SIGTERM');
  }
  children = [];
  removePostgresData(order.dataDir);
  rmSync(folder, { recursive: true });
});

/** The database's child as the launcher starts it: leader of its group. */
function start(): ChildProcess {
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, 'database.ts'), JSON.stringify(order)],
    { detached: true, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] },
  );
  children.push(child);
  return child;
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  const gone = once(child, 'exit');
  if (signal === 'SIGKILL') process.kill(-(child.pid ?? 0), signal);
  else child.kill(signal);
  const [code] = (await gone) as [number | null];
  return code;
}

const listHalfMade = () => readdirSync(folder).filter((name) => name.includes('.making-'));

async function waitForInitdb(): Promise<void> {
  while (!listHalfMade().some((name) => existsSync(join(folder, name, 'PG_VERSION')))) {
    await sleep(1);
  }
}

describe('a first start', () => {
  it.each(MOMENTS_MS)('killed %i ms into initdb leaves nothing to the next', async (ms) => {
    const first = start();
    await waitForInitdb();
    await sleep(ms);
    await end(first, 'SIGKILL');

    const [ready] = (await once(start(), 'message')) as [{ ready: boolean }];
    expect(ready.ready).toBe(true);
    expect(listHalfMade()).toEqual([]);
  });

  it('asked to stop during initdb leaves cleanly, at once', async () => {
    const first = start();
    await waitForInitdb();
    expect(await end(first, 'SIGTERM')).toBe(0);
    expect(listHalfMade()).toEqual([]);
    expect(existsSync(join(order.dataDir, 'PG_VERSION'))).toBe(false);
  });
});
