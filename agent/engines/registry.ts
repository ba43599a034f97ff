/**
 * The engines that an agent can use, by name. Each is loaded only when it is asked for: their
 * libraries are large, and an idle agent stays small.
 */
import { EngineError } from './engine.ts';
import type { ChildOptions } from './child.ts';
import type { Engine } from './engine.ts';

export const ENGINE_NAMES = ['painter', 'flite', 'composer'] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

const LOADERS: Readonly<Record<EngineName, (options: ChildOptions) => Promise<Engine>>> = {
  painter: async (options) => (await import('./painter.ts')).createPainter(options),
  flite: async (options) => (await import('./flite.ts')).createFlite(options),
  composer: async (options) => (await import('./composer.ts')).createComposer(options),
};

/** Takes an engine's own words: what its process writes to its standard error, bounded. */
type Say = (name: EngineName, words: string) => void;

/**
 * Opens the named engines, in this order: the first that has a model is preferred for it.
 * One that cannot be loaded is told to `onBroken` and counts as away; the others still work.
 */
export function openEngines(
  names: readonly EngineName[],
  onBroken: (name: EngineName, error: unknown) => void,
  say: Say = () => {},
): Promise<Engine[]> {
  return Promise.all(
    names.map(async (name) => {
      try {
        return await LOADERS[name]({ say: (words) => say(name, words) });
      } catch (error) {
        onBroken(name, error);
        return createAway(name);
      }
    }),
  );
}

/** Stands for an engine that could not be loaded. */
function createAway(name: EngineName): Engine {
  const detail = `${name} could not be loaded`;
  return {
    name,
    discover: () => Promise.resolve(null),
    resident: () => [],
    run: () =>
      Promise.reject(new EngineError({ code: 'engine_unavailable', retryable: true, detail })),
    free: () => Promise.resolve(),
    close: () => Promise.resolve(),
  };
}
