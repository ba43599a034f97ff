/**
 * `npm run check`: everything that can be known without running the code. All checks run, each
 * with one line; the output of one that fails is shown whole. Exit code 1 when any failed.
 */
import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { say, tellMs } from './progress.ts';

const ROOT = join(import.meta.dirname, '..');
const PROGRAMS = ['.', 'schema', 'edge/core', 'edge', 'edge/sim', 'agent', 'dev', 'dev/e2e', 'web'];
/** Two of the checks at a time: each uses several threads already. */
const AT_ONCE = 2;

type Check = { name: string; command: readonly string[] };

const checks: Check[] = [
  ...PROGRAMS.filter((folder) => globSync(`${folder}/*.ts`, { cwd: ROOT }).length > 0).map(
    (folder) => ({
      name: `types of ${folder === '.' ? 'the root' : folder}`,
      command: ['tsc', '-p', folder],
    }),
  ),
  { name: 'lint', command: ['oxlint'] },
  { name: 'format', command: ['oxfmt', '--check'] },
  { name: 'dead code', command: ['knip', '--no-progress'] },
  {
    name: 'Worker bindings',
    command: [
      'wrangler',
      'types',
      'edge/worker-configuration.d.ts',
      '--include-runtime=false',
      '--strict-vars=false',
      '--check',
    ],
  },
  { name: 'paths in README.md', command: ['node', 'dev/check-docs.ts'] },
  { name: 'migrations', command: ['node', 'dev/check-migrations.ts'] },
];

/** Runs one check; resolves to whether it passed. */
async function run({ name, command: [program = '', ...args] }: Check): Promise<boolean> {
  const startedAt = performance.now();
  const child = spawn(program, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
  const code = await new Promise<number | null>((resolve) => {
    child.once('error', (error) => {
      output += error.message;
      resolve(null);
    });
    child.once('close', resolve);
  });
  const time = tellMs(performance.now() - startedAt);
  say(code === 0 ? `· ${name}… ok in ${time}` : `! ${name} failed after ${time}\n${output.trim()}`);
  return code === 0;
}

const waiting = [...checks];
let failed = 0;
const runner = async () => {
  for (let check = waiting.shift(); check !== undefined; check = waiting.shift()) {
    if (!(await run(check))) failed += 1;
  }
};
await Promise.all(Array.from({ length: AT_ONCE }, runner));
say(failed === 0 ? 'all checks passed' : `${failed} of ${checks.length} checks failed`);
process.exitCode = failed === 0 ? 0 : 1;
