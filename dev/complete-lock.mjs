/**
 * Completes package-lock.json, so that one lock serves every system.
 *
 * npm leaves optional packages of other systems out of the lock when it cannot see them, and
 * `npm ci` then refuses that lock there. This adds the missing entries, with the exact version
 * their parent names and the system read from the name. Run after an install: npm run lock.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const file = join(import.meta.dirname, '..', 'package-lock.json');
const lock = JSON.parse(readFileSync(file, 'utf8'));
const EXACT = /^\d+\.\d+\.\d+(-[\w.]+)?$/;
const SYSTEMS = {
  android: ['android'],
  darwin: ['darwin'],
  freebsd: ['freebsd'],
  linux: ['linux'],
  openharmony: ['openharmony'],
  win32: ['win32'],
  windows: ['win32'],
};
const CHIPS = ['arm64', 'arm', 'x64', 'ia32', 'ppc64', 'riscv64', 's390x', 'wasm32', 'loong64'];

/** The lock's entry of a platform package that was never downloaded. */
function describe(name, version, isDev) {
  const words = name.split('/').pop().split('-');
  const os = words.flatMap((word) => SYSTEMS[word] ?? []);
  const cpu = CHIPS.filter((chip) => words.includes(chip));
  if (words.includes('64')) cpu.push('x64');
  return {
    version,
    ...(cpu.length > 0 ? { cpu } : {}),
    ...(isDev ? { dev: true } : {}),
    optional: true,
    ...(os.length > 0 ? { os } : {}),
  };
}

let added = 0;
for (const [path, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    const nested = `${path === '' ? '' : `${path}/`}node_modules/${name}`;
    const top = `node_modules/${name}`;
    if (nested in lock.packages || lock.packages[top]?.version === version) continue;
    if (!EXACT.test(version)) continue;
    const place = top in lock.packages ? nested : top;
    lock.packages[place] = describe(name, version, entry.dev === true);
    added += 1;
  }
}
const sorted = Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en'));
lock.packages = Object.fromEntries(sorted);
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
process.stdout.write(`package-lock.json: ${added} entries added.\n`);
