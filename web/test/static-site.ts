/**
 * Serves `web/out` as the Worker's assets are: headers from `_headers`, no `.html` in paths,
 * `404.html` for what is not there. So the tests meet the real Content-Security-Policy.
 */
import { readFile, stat } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { extname, join, normalize } from 'node:path';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.woff2': 'font/woff2',
};

interface HeaderRule {
  readonly path: RegExp;
  readonly headers: readonly (readonly [string, string])[];
}

/** Answers one request for a static file under `out`. */
export async function serveStatic(
  out: string,
  pathname: string,
  response: ServerResponse,
): Promise<void> {
  const rules = parseHeaders(await readFile(join(out, '_headers'), 'utf8'));
  for (const rule of rules) {
    if (!rule.path.test(pathname)) continue;
    for (const [name, value] of rule.headers) response.setHeader(name, value);
  }
  const found = await findFile(out, pathname);
  response.statusCode = found ? 200 : 404;
  const file = found ?? join(out, '404.html');
  response.setHeader('content-type', TYPES[extname(file)] ?? 'application/octet-stream');
  response.end(await readFile(file));
}

async function findFile(out: string, pathname: string): Promise<string | null> {
  const path = normalize(join(out, decodeURIComponent(pathname)));
  if (!path.startsWith(out) || pathname === '/_headers') return null;
  for (const file of [path, `${path}.html`, join(path, 'index.html')]) {
    const found = await stat(file).catch(() => null);
    if (found?.isFile()) return file;
  }
  return null;
}

/** The rules of a `_headers` file (developers.cloudflare.com, Workers static assets). */
function parseHeaders(text: string): HeaderRule[] {
  return text
    .split(/\n(?=\S)/)
    .map((block) => block.trim().split('\n'))
    .filter((lines) => lines[0])
    .map(([path, ...lines]) => ({
      path: new RegExp(`^${path!.replaceAll(/[.?+^$()[\]{}|\\]/g, '\\$&').replaceAll('*', '.*')}$`),
      headers: lines.map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()] as const;
      }),
    }));
}
