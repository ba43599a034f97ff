/** The built site for browser tests: built when it is missing or older than its sources. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';

const WEB = join(import.meta.dirname, '..');
const SOURCES = ['app', 'components', 'lib', 'public', 'next.config.ts', 'export-adapter.ts'];

/** The folder of the static files, fresh. */
export async function ensureSite(): Promise<string> {
  const out = join(WEB, 'out');
  const index = join(out, 'index.html');
  const sources = [...SOURCES.map((name) => join(WEB, name)), join(WEB, '..', 'schema')];
  const newest = Math.max(...(await Promise.all(sources.map(newestMs))));
  if (existsSync(index) && (await stat(index)).mtimeMs > newest) return out;
  const next = createRequire(import.meta.url).resolve('next/dist/bin/next');
  await promisify(execFile)(process.execPath, [next, 'build', WEB], {
    // oxlint-disable-next-line node/no-process-env -- a child needs its parent's surroundings
    env: { ...process.env, NODE_ENV: 'production', NEXT_TELEMETRY_DISABLED: '1' },
  });
  return out;
}

async function newestMs(path: string): Promise<number> {
  const own = await stat(path);
  if (!own.isDirectory()) return own.mtimeMs;
  const names = await readdir(path, { recursive: true });
  const files = names.filter((name) => !name.includes('.test.'));
  const times = await Promise.all(
    files.map(async (name) => (await stat(join(path, name))).mtimeMs),
  );
  return Math.max(own.mtimeMs, ...times);
}
