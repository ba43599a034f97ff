/** The page of the local conversation: one file, no script or style from elsewhere. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Outgoing } from '../doubles/http.ts';

const FILE = join(import.meta.dirname, 'page.html');
const POLICY =
  "default-src 'self'; img-src 'self' data:; script-src 'unsafe-inline'; " +
  "style-src 'unsafe-inline'; frame-ancestors 'none'";

/** Read anew each time, so that it can be edited while it runs. */
export function readPage(): Outgoing {
  const headers = {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': POLICY,
    'cache-control': 'no-store',
  };
  return { status: 200, headers, body: new Uint8Array(readFileSync(FILE)) };
}
