/**
 * Loads production code into the simulated world, as it is: `cloudflare:workers` and the
 * modules that reach outside resolve to doubles, for everyone but the simulation itself. A planted
 * bug is a patch of one file's source, made when it is loaded; one that no longer applies fails.
 */
import { registerHooks } from 'node:module';
import type { Bug, Patch } from './bugs.ts';

const EDGE = new URL('../', import.meta.url).href;
const SIM = new URL('./', import.meta.url).href;
const DOUBLES: ReadonlyMap<string, string> = new Map([
  [`${EDGE}io/db.ts`, `${SIM}doubles/database.ts`],
  [`${EDGE}io/id.ts`, `${SIM}doubles/id.ts`],
  [`${EDGE}io/r2.ts`, `${SIM}doubles/bucket.ts`],
  [`${EDGE}io/log.ts`, `${SIM}doubles/log.ts`],
  [`${EDGE}core/state.ts`, `${SIM}doubles/state.ts`],
  [`${EDGE}core/queue.ts`, `${SIM}doubles/queue.ts`],
  [`${EDGE}core/evolve.ts`, `${SIM}doubles/evolve.ts`],
  [`${EDGE}core/queue.ts`, `${SIM}doubles/queue.ts`],
  [`${EDGE}core/evolve.ts`, `${SIM}doubles/evolve.ts`],
]);

/** Call once a thread, before production code is imported. */
export function installHooks(bug: Bug | null): void {
  const ofFile = Map.groupBy(
    bug?.patches ?? [],
    ({ file }) => new URL(`../../${file}`, import.meta.url).href,
  );
  registerHooks({
    resolve(specifier, context, next) {
      if (specifier === 'cloudflare:workers') {
        return { url: `${SIM}platform/workers.ts`, shortCircuit: true };
      }
      const found = next(specifier, context);
      const double = DOUBLES.get(found.url);
      if (!double || context.parentURL?.startsWith(SIM)) return found;
      return { ...found, url: double };
    },
    load(url, context, next) {
      const loaded = next(url, context);
      const patches = ofFile.get(url);
      if (!patches) return loaded;
      const { source } = loaded;
      const text = typeof source === 'string' ? source : new TextDecoder().decode(source);
      return { ...loaded, source: patches.reduce(applyPatch, text) };
    },
  });
}

/** The source with the bug in it. */
export function applyPatch(source: string, { file, from, to }: Patch): string {
  const parts = source.split(from);
  if (parts.length !== 2) {
    throw new Error(`${file} has ${parts.length - 1} times what a bug changes: ${from}`);
  }
  return parts.join(to);
}
