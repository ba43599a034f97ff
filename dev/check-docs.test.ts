import { expect, it } from 'vitest';
import { findPaths } from './check-docs.ts';

const TOP = ['edge', 'dev', 'README.md'];

it.each([
  ['a file', 'see `edge/worker.ts`', ['edge/worker.ts']],
  ['a folder', 'in `edge/core/`', ['edge/core']],
  ['a file at the root', 'in `wrangler.toml`', ['wrangler.toml']],
  ['no command', 'run `npm start`', []],
  ['no route', 'call `/v1/jobs`', []],
  ['no route that looks like a file', 'see `/openapi.json`', []],
  ['no glob', 'all of `edge/**`', []],
  ['no state made later', 'in `.tessera/local.json`', []],
  ['nothing in a fence', '```\n`edge/gone.ts`\n```', []],
])('finds %s', (_, text, paths) => {
  expect(findPaths(text, TOP)).toEqual(paths);
});
