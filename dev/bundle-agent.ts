/**
 * `npm run agent:bundle`: the agent as one file, dist/tessera-agent.mjs, for a box with Node and
 * nothing else. It drives text, speech and transcription servers as it is; ComfyUI's results need
 * the package sharp in a node_modules beside it, and so do the embedded engines theirs. None of
 * these runs an install script.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Plugin } from 'esbuild';
import type { Bundle } from '../agent/bundle.ts';
import { NODE_MAJOR_MIN } from '../agent/limits.ts';

const ROOT = join(import.meta.dirname, '..');
const WORKFLOWS = join(ROOT, 'agent', 'engines', 'comfyui', 'workflows');
const OUT = join(ROOT, 'dist', 'tessera-agent.mjs');

/** Native, hence never part of a file, or noisy: looked for when it is first used. */
const BESIDE = /^(sharp|onnxruntime-node|node:wasi)$/;

/** Before all else: what an older Node says of the rest fills a terminal and helps nobody. */
const BANNER = `#!/usr/bin/env node
import { createRequire as requireOf } from 'node:module';
if (Number(process.versions.node.split('.')[0]) < ${NODE_MAJOR_MIN}) {
  const found = process.versions.node;
  console.error('tessera-agent needs Node ${NODE_MAJOR_MIN} or newer; this is ' + found);
  process.exit(2);
}
const require = requireOf(import.meta.url);`;

/** Bundled as `require` of the moment of use: an import would be looked for at the start. */
const lazyBeside: Plugin = {
  name: 'beside',
  setup(building) {
    building.onResolve({ filter: BESIDE }, ({ path, namespace }) =>
      namespace === 'beside' ? { path, external: true } : { path, namespace: 'beside' },
    );
    building.onLoad({ filter: BESIDE, namespace: 'beside' }, ({ path }) => ({
      contents: `module.exports = require(${JSON.stringify(path)});`,
    }));
  },
};

/** Builds the file; answers its size in bytes. */
export async function bundleAgent(outfile: string): Promise<number> {
  const names = readdirSync(WORKFLOWS).filter((name) => name.endsWith('.json'));
  const carried: Bundle = {
    workflows: Object.fromEntries(
      names.map((name) => [name, readFileSync(join(WORKFLOWS, name), 'utf8')]),
    ),
  };
  const { metafile } = await build({
    entryPoints: [join(ROOT, 'agent', 'main.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    minifySyntax: true,
    minifyWhitespace: true,
    legalComments: 'none',
    metafile: true,
    plugins: [lazyBeside],
    define: { TESSERA_BUNDLE: JSON.stringify(carried) },
    banner: { js: BANNER },
    logLevel: 'warning',
  });
  return Object.values(metafile.outputs)[0]!.bytes;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const bytes = await bundleAgent(process.argv[2] ?? OUT);
  console.log(`${process.argv[2] ?? OUT}: ${(bytes / 1024 ** 2).toFixed(1)} MiB`);
}
