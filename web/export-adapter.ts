/**
 * Finishes Next's static export: every inline script becomes a file of its own, in its place,
 * so that the pages run under `script-src 'self'` without hashes or exceptions; and the bundle of
 * the reference page is laid beside them, so that it comes from no other origin.
 * Next calls it at the end of `next build` (`adapterPath` in next.config.ts).
 */
import { createHash } from 'node:crypto';
import { copyFile, mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { NextAdapter } from 'next';
import { REFERENCE_FILES, REFERENCE_PATH } from './lib/reference.ts';

/** The inline scripts of an exported page; data blocks have a `type` and stay. */
const INLINE_SCRIPT = /<script(?![^>]*\s(?:src|type)=)([^>]*)>([\s\S]*?)<\/script>/g;
const CHUNKS = '_next/static/chunks';

const adapter: NextAdapter = {
  name: 'tessera-export',
  async onBuildComplete({ projectDir }) {
    const out = join(projectDir, 'out');
    for (const file of await readdir(out, { recursive: true })) {
      if (file.endsWith('.html')) await moveScripts(out, file);
    }
    await copyReference(out);
  },
};
export default adapter;

async function moveScripts(out: string, file: string): Promise<void> {
  const html = await readFile(join(out, file), 'utf8');
  const writes: Promise<void>[] = [];
  const moved = html.replace(INLINE_SCRIPT, (_, attributes: string, code: string) => {
    const hash = createHash('sha256').update(code).digest('base64url').slice(0, 16);
    const path = `${CHUNKS}/inline-${hash}.js`;
    writes.push(writeFile(join(out, path), code));
    return `<script${attributes} src="/${path}"></script>`;
  });
  await Promise.all(writes);
  await writeFile(join(out, file), moved);
}

async function copyReference(out: string): Promise<void> {
  const own = createRequire(import.meta.url).resolve('swagger-ui-dist/package.json');
  const folder = join(out, REFERENCE_PATH);
  await mkdir(folder, { recursive: true });
  for (const file of REFERENCE_FILES) await copyFile(join(dirname(own), file), join(folder, file));
}
