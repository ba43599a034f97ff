import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { findFreePort } from './port.ts';
import { removePostgresData } from './postgres-home.ts';
import { startPostgres } from './postgres.ts';
import { quiet } from './progress.ts';

vi.mock('./process-table.ts', () => ({ findProcess: () => 'unknown' }));

let folder: string;
let dataDir: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tessera-stale-'));
  chmodSync(folder, 0o711);
  dataDir = join(folder, 'postgres');
});
afterEach(() => {
  removePostgresData(dataDir);
  rmSync(folder, { recursive: true });
});

it('leaves postmaster.pid alone when it cannot know whose process that is', async () => {
  const file = join(dataDir, 'postmaster.pid');
  mkdirSync(dataDir);
  writeFileSync(join(dataDir, 'PG_VERSION'), '18\n');
  writeFileSync(file, '4242\n');
  const started = startPostgres({ dataDir, port: await findFreePort(), print: quiet, log: quiet });
  await expect(started).rejects.toThrow(/Process 4242 may be a PostgreSQL/);
  expect(readFileSync(file, 'utf8')).toBe('4242\n');
});

it('touches no files that are not its own', async () => {
  mkdirSync(dataDir);
  writeFileSync(join(dataDir, 'letter.txt'), 'dear');
  const started = startPostgres({ dataDir, port: await findFreePort(), print: quiet, log: quiet });
  await expect(started).rejects.toThrow(/holds files but no PostgreSQL data/);
  expect(readFileSync(join(dataDir, 'letter.txt'), 'utf8')).toBe('dear');
});
