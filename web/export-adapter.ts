/**
 * Finishes Next's static export: every inline script becomes a file of its own, in its place,
 * so that the pages run under `script-src 'self'` without hashes or exceptions.
 * Next calls it at the end of `next build` (`adapterPath` in next.config.ts).
 */
import { createHash } from 'node:crypto';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NextAdapter } from 'next';

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
