/**
 * Vitest's global setup of the edge tests: an embedded PostgreSQL with the current schema and
 * the bridge to it, on free ports, in a folder that is deleted afterwards. Not durable: nobody
 * keeps these data. The addresses reach vitest.config.ts by `provide`.
 *
 * Runs in child processes, since this file is resolved as for workerd (where ws has no server).
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import type { DatabaseOrder } from './database.ts';
import { findFreePort } from './port.ts';
import { removePostgresData } from './postgres-home.ts';

const DEV = import.meta.dirname;

declare module 'vitest' {
  export interface ProvidedContext {
    databaseUrl: string;
    databaseProxy: string;
  }
}

/** Starts the database; the returned function ends it. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-test-'));
  chmodSync(folder, 0o711); // PostgreSQL's user passes through
  const order: DatabaseOrder = {
    kind: 'embedded',
    dataDir: join(folder, 'postgres'),
    port: await findFreePort(),
    bridgePort: await findFreePort(),
    throwaway: true,
  };
  const child = spawn(
    process.execPath,
    ['--import', join(DEV, 'leash.ts'), join(DEV, 'database.ts'), JSON.stringify(order)],
    { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] },
  );
  const databaseUrl = await new Promise<string>((resolve, reject) => {
    child.once('message', (ready: { url: string }) => resolve(ready.url));
    child.once('exit', () => reject(new Error('the test database ended while starting')));
  });
  execFileSync(process.execPath, [join(DEV, 'migrate.ts')], {
    env: { ...process.env, DATABASE_URL: databaseUrl },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  project.provide('databaseUrl', databaseUrl);
  project.provide('databaseProxy', `127.0.0.1:${order.bridgePort}/v1`);
  return async () => {
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    await gone;
    removePostgresData(order.dataDir);
    rmSync(folder, { recursive: true, force: true });
  };
}
