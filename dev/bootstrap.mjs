/**
 * Runs a command of this project, installing what is missing first.
 *
 * Plain JavaScript without dependencies, because it runs before `npm ci` and on Node 20.
 * The command runs under the Node of node_modules/.bin (24), which comes first on its PATH.
 * A stamp in node_modules holds the hash of the lock file that was installed, so an
 * unchanged tree costs one hash. It never upgrades anything: the lock file decides.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, join, resolve } from 'node:path';

const root = resolve(import.meta.dirname ?? join(new URL('.', import.meta.url).pathname), '..');
const bin = join(root, 'node_modules', '.bin');
const stamp = join(root, 'node_modules', '.tessera-installed');
const lock = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .digest('hex');

const env = {
  ...process.env,
  PATH: [bin, process.env.PATH ?? ''].join(delimiter),
  CLOUDFLARE_CF_FETCH_ENABLED: 'false',
  WRANGLER_SEND_METRICS: 'false',
  NEXT_TELEMETRY_DISABLED: '1',
  DO_NOT_TRACK: '1',
  TESSERA_BOOTSTRAP_PID: String(process.pid),
};

/** True when node_modules was installed from exactly this lock file. */
function isInstalled() {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === lock;
}

function install() {
  const startedAt = Date.now();
  process.stderr.write('· dependencies… ');
  const npm = process.env.npm_execpath;
  const [command, args] = npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []];
  // The build tools are devDependencies: NODE_ENV=production or a setting would leave them out.
  const all = ['--include=dev', '--include=optional'];
  const calm = ['--no-audit', '--no-fund', '--loglevel=error'];
  const done = spawnSync(command, [...args, 'ci', ...all, ...calm], {
    cwd: root,
    env: process.env,
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
  });
  if (done.status !== 0) {
    const why = done.error?.message ?? `${done.stdout}${done.stderr}`;
    process.stderr.write(`failed\n${why}\n`);
    process.exit(done.status ?? 1);
  }
  if (!existsSync(join(bin, 'node'))) {
    process.stderr.write('failed\nnpm ci brought no node_modules/.bin/node: see "allowScripts".\n');
    process.exit(1);
  }
  writeFileSync(stamp, lock);
  process.stderr.write(`done in ${((Date.now() - startedAt) / 1000).toFixed(1)} s\n`);
}

const [command, ...args] = process.argv.slice(2);
if (command === undefined) {
  process.stderr.write('usage: node dev/bootstrap.mjs COMMAND [ARGUMENTS]\n');
  process.exit(2);
}
if (!isInstalled()) install();

const child = spawn(command, args, { cwd: root, env, stdio: 'inherit' });
// A terminal sends Ctrl-C to every process of its group, so the child has it already.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => {
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
  });
}
// npm killed outright cannot pass a signal on: its child then has another parent.
const parent = process.ppid;
if (process.env.npm_lifecycle_event !== undefined) {
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch); // asked once: a second request means "at once"
    child.kill('SIGTERM');
  }, 1000);
  watch.unref();
}
child.on('error', (error) => {
  process.stderr.write(`${command}: ${error.message}\n`);
  process.exit(127);
});
child.on('exit', (code, signal) => {
  process.exit(code ?? 128 + (constants.signals[signal] ?? 0));
});
