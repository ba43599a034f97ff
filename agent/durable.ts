/** Files that are there, whole, after a crash at any moment (rename is atomic, fsync makes it last). */
import { open, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Replaces a file in one step, for the owner's eyes only; once this resolves it stays. */
export async function writeDurably(path: string, text: string): Promise<void> {
  await writeFile(`${path}.tmp`, text, { mode: 0o600, flush: true });
  await rename(`${path}.tmp`, path);
  await sync(dirname(path));
}

/** Puts what was written to a file, or into a folder, onto the disk. */
export async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
