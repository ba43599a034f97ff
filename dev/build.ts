/**
 * The two things that are built before a start: the site's files and the Worker's bundle.
 * Each is skipped while the hash of its sources is the one that was built last. A build is a
 * process group of its own, which a stop kills whole: its workers go with it.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { hashSources, writeWhole } from './disk.ts';
import { Refusal, Stopped } from './progress.ts';

const ROOT = join(import.meta.dirname, '..');
const SITE = join(ROOT, 'web', 'out');
const PAGE = join(SITE, 'index.html');
const CACHE = join(ROOT, 'node_modules', '.cache', 'tessera');
const SHARED = ['schema', 'package-lock.json', 'package.json'].map((path) => join(ROOT, path));
const OUTPUT_CHARS_MAX = 8000;

export type BuildOptions = {
  /** Ends the build, which then throws Stopped. */
  signal?: AbortSignal;
  /** Told the process group of the build: the launcher's lock remembers it. */
  onSpawn?: (group: number) => void;
};

/** Builds web/ to web/out; tells what it did. */
export async function buildSite(options: BuildOptions = {}): Promise<string> {
  if (!existsSync(join(ROOT, 'web', 'next.config.ts'))) {
    mkdirSync(SITE, { recursive: true });
    return 'skipped: there is no site yet';
  }
  const hash = hashSources([...SHARED, join(ROOT, 'web')]);
  const stamp = join(CACHE, 'site');
  if (existsSync(PAGE) && isStamped(stamp, `${hash} ${statSync(PAGE).mtimeMs}`)) return 'unchanged';
  await run('next', ['build', 'web'], options);
  mkdirSync(CACHE, { recursive: true });
  writeWhole(stamp, `${hash} ${statSync(PAGE).mtimeMs}`);
  return 'built';
}

/** Bundles the Worker exactly as a deploy would, into `dir`; tells what it did. */
export async function bundleWorker(dir: string, options: BuildOptions = {}): Promise<string> {
  const hash = hashSources([...SHARED, join(ROOT, 'edge'), join(ROOT, 'wrangler.toml')]);
  const stamp = join(dir, 'built-from');
  if (existsSync(join(dir, 'worker.js')) && isStamped(stamp, hash)) return 'unchanged';
  mkdirSync(SITE, { recursive: true });
  await run('wrangler', ['deploy', '--dry-run', '--outdir', dir], options);
  writeWhole(stamp, hash);
  return 'bundled';
}

function isStamped(stamp: string, hash: string): boolean {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === hash;
}

/** Runs a program of node_modules/.bin; its output is shown only when it fails. */
async function run(
  program: string,
  args: readonly string[],
  { signal, onSpawn }: BuildOptions,
): Promise<void> {
  const checkStopped = () => {
    if (signal?.aborted === true) throw new Stopped();
  };
  checkStopped();
  const child = spawn(join(ROOT, 'node_modules', '.bin', program), args, {
    cwd: ROOT,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, CI: '1', NO_COLOR: '1', NODE_ENV: 'production' },
  });
  const end = () => killGroup(child);
  signal?.addEventListener('abort', end, { once: true });
  if (child.pid !== undefined) onSpawn?.(child.pid);
  let output = '';
  const keep = (chunk: Buffer) => {
    output = (output + chunk.toString('utf8')).slice(-OUTPUT_CHARS_MAX);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  signal?.removeEventListener('abort', end);
  checkStopped();
  if (code !== 0) throw new Refusal(`${program} ${args.join(' ')} failed:\n${output}`);
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // it ended meanwhile
  }
}
