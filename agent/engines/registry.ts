/**
 * The engines that an agent can use, by name. Each is loaded only when it is asked for: their
 * libraries are large, and an idle agent stays small.
 */
import { assert } from '#schema/assert.ts';
import { EngineError } from './engine.ts';
import type { ChildOptions } from './child.ts';
import type { Engine } from './engine.ts';
import type { ComfyuiSettings } from './comfyui/settings.ts';
import type { LlamaSettings } from './llama/settings.ts';
import type { ServerOptions } from './server/engine.ts';
import type { Servers } from './server/settings.ts';

/** Engines that are used when their server's address, or their model, is set; preferred to the others. */
export const SERVER_NAMES = ['comfyui', 'koboldcpp', 'text', 'speech', 'whisper', 'llama'] as const;
export const ENGINE_NAMES = [
  ...SERVER_NAMES,
  'painter',
  'flite',
  'composer',
  'animator',
  'pocketsphinx',
] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

/** Every server that is set, by its engine's name. */
export type AllServers = Servers & {
  readonly comfyui?: ComfyuiSettings;
  readonly llama?: LlamaSettings;
};

interface LoadOptions extends ChildOptions {
  readonly servers: AllServers;
}

const LOADERS: Readonly<Record<EngineName, (options: LoadOptions) => Promise<Engine>>> = {
  comfyui: async ({ servers: { comfyui }, say }) => {
    assert(comfyui, 'a server that is used has an address');
    return (await import('./comfyui.ts')).createComfyui({ ...comfyui, ...(say && { say }) });
  },
  koboldcpp: async (options) =>
    (await import('./koboldcpp.ts')).createKoboldcpp(serverOf('koboldcpp', options)),
  text: async (options) =>
    (await import('./openai-text.ts')).createOpenaiText(serverOf('text', options)),
  speech: async (options) =>
    (await import('./speech.ts')).createSpeech(serverOf('speech', options)),
  whisper: async (options) =>
    (await import('./whisper.ts')).createWhisper(serverOf('whisper', options)),
  llama: async ({ servers: { llama }, ...options }) => {
    assert(llama, 'a model that is used has a place');
    return (await import('./llama.ts')).createLlama({ ...options, settings: llama });
  },
  painter: async (options) => (await import('./painter.ts')).createPainter(options),
  animator: async (options) => (await import('./animator.ts')).createAnimator(options),
  flite: async (options) => (await import('./flite.ts')).createFlite(options),
  composer: async (options) => (await import('./composer.ts')).createComposer(options),
  pocketsphinx: async () => (await import('./pocketsphinx.ts')).createPocketsphinx(),
};

/** Takes an engine's own words: what its process writes to its standard error, bounded. */
type Say = (name: EngineName, words: string) => void;

/**
 * Opens the named engines, in this order: the first that has a model is preferred for it.
 * One that cannot be loaded is told to `onBroken` and counts as away; the others still work.
 */
export function openEngines(
  { names, servers }: { readonly names: readonly EngineName[]; readonly servers: AllServers },
  onBroken: (name: EngineName, error: unknown) => void,
  say: Say = () => {},
): Promise<Engine[]> {
  return Promise.all(
    names.map(async (name) => {
      try {
        return await LOADERS[name]({ servers, say: (words) => say(name, words) });
      } catch (error) {
        onBroken(name, error);
        return createAway(name);
      }
    }),
  );
}

/** The environment was checked: an engine is named only when its server is set. */
function serverOf(name: keyof Servers, { servers, say }: LoadOptions): ServerOptions {
  const settings = servers[name];
  assert(settings, 'a server that is used has an address');
  return { settings, say };
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
