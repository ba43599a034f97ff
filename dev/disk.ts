/**
 * Small files of the launcher: secrets, remembered ports, stamps of what was built.
 * Every write is atomic (a new file, then a rename), so a kill leaves the old or the new one.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Writes a whole file at once; `mode` defaults to private. */
export function writeWhole(path: string, content: string | Uint8Array, mode = 0o600): void {
  const fresh = `${path}.${process.pid}.new`;
  writeFileSync(fresh, content, { mode });
  renameSync(fresh, path);
}

/** Reads a JSON file, or undefined when it is missing or broken by a kill. */
export function readJson(path: string): unknown {
  if (!existsSync(path)) return undefined;
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined; // a torn file of an earlier version: made again by the caller
  }
}

export function writeJson(path: string, value: unknown): void {
  writeWhole(path, `${JSON.stringify(value, null, 2)}\n`);
}

const NOT_SOURCE = new Set(['node_modules', 'out', '.next', '.wrangler', 'next-env.d.ts']);

function listFiles(path: string): string[] {
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => !NOT_SOURCE.has(entry.name) && !entry.name.endsWith('.tsbuildinfo'))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const inner = join(path, entry.name);
      if (entry.isDirectory()) return listFiles(inner);
      return entry.isFile() ? [inner] : [];
    });
}

/** Hashes the sources under these files and folders; a missing one counts as empty. */
export function hashSources(paths: readonly string[]): string {
  const hash = createHash('sha256');
  for (const path of paths) {
    if (!existsSync(path)) continue;
    const files = readdirSafely(path);
    for (const file of files) hash.update(`${file}\0`).update(readFileSync(file)).update('\0');
  }
  return hash.digest('hex');
}

function readdirSafely(path: string): string[] {
  try {
    return listFiles(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return [path];
    throw error;
  }
}
