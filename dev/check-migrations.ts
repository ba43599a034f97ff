/**
 * schema/migrations says what schema/tables says: generating once more, into a copy, adds no file.
 */
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import config from '../schema/drizzle.config.ts';

const ROOT = join(import.meta.dirname, '..');
const MIGRATIONS = join(ROOT, 'schema', 'migrations');

const scratch = join(ROOT, 'node_modules', '.cache');
mkdirSync(scratch, { recursive: true });
const folder = mkdtempSync(join(scratch, 'migrations-'));
const out = join(folder, 'out');
const configFile = join(folder, 'drizzle.config.json');
cpSync(MIGRATIONS, out, { recursive: true });
writeFileSync(configFile, JSON.stringify({ ...config, out: relative(ROOT, out) }));
for (const verb of ['generate', 'check']) {
  execFileSync('drizzle-kit', [verb, `--config=${relative(ROOT, configFile)}`], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}
const added = readdirSync(out).filter((name) => !existsSync(join(MIGRATIONS, name)));
rmSync(folder, { recursive: true });
if (added.length > 0) {
  process.stdout.write('schema/tables changed: run `npm run migration` and commit its file.\n');
  process.exitCode = 1;
}
