/** What the drivers of servers have in common: how they are made, and how they tell the operator. */
import type { ModelId } from '#schema/model.ts';
import { modelsOf } from '#schema/model.ts';
import type { JobType } from '#schema/model.ts';
import { EngineError } from '../engine.ts';
import type { ServerSettings } from './settings.ts';
import type { After } from './watch.ts';

export interface ServerOptions {
  readonly settings: ServerSettings;
  /** Takes a sentence for the operator. */
  readonly say?: (words: string) => void;
  /** Makes the timers of every wait. */
  readonly after?: After;
  /** Milliseconds of any origin; given in tests. */
  readonly now?: () => number;
  /** The command that converts sound; given in tests. */
  readonly ffmpeg?: string;
}

/** Tells the operator what stands in the way: once, until it changes. */
export class Teller {
  readonly #say: (words: string) => void;
  #last = '';

  constructor(say: ((words: string) => void) | undefined) {
    this.#say = say ?? (() => {});
  }

  /** All there is to say now; an empty list: nothing stands in the way. */
  tell(sentences: readonly string[]): void {
    const words = sentences.join('; ');
    if (words !== this.#last && words !== '') this.#say(words);
    this.#last = words;
  }

  /** Tells of a key that the server refuses; the failure goes on. */
  async watching<T>(asking: Promise<T>): Promise<T> {
    try {
      return await asking;
    } catch (error) {
      const isRefusal = error instanceof EngineError && /^40[13]:/.test(error.message);
      if (isRefusal) this.tell([`the server refuses our key: ${error.message}`]);
      throw error;
    }
  }
}

export interface Names {
  /** What the server calls it, by the catalog's id. */
  readonly names: ReadonlyMap<ModelId, string>;
  /** What is set, but not there. */
  readonly missing: readonly string[];
}

/**
 * Which models of the catalog a server has: those of the operator's list that are there; without
 * a list, those it calls by the catalog's id, and its first model for the type's `usual` one.
 */
export function matchModels(
  type: JobType,
  {
    settings,
    ids,
    usual,
  }: {
    readonly settings: ServerSettings;
    readonly ids: readonly string[];
    readonly usual: ModelId;
  },
): Names {
  const names = new Map<ModelId, string>();
  if (settings.models.size > 0) {
    const missing = [...settings.models].filter(([, name]) => !ids.includes(name));
    for (const [id, name] of settings.models) if (ids.includes(name)) names.set(id, name);
    const known = ids.slice(0, 10).join(', ') || 'none';
    const tell = ([id, name]: readonly [string, string]) =>
      `the server has no ${name} for ${id}; it has ${known}`;
    return { names, missing: missing.map(tell) };
  }
  for (const { id } of modelsOf(type)) if (ids.includes(id)) names.set(id, id);
  const [first] = ids;
  if (first !== undefined && !names.has(usual)) names.set(usual, first);
  return { names, missing: [] };
}

/** Frees what can be freed: a server that cannot be reached holds nothing, and stops nobody. */
export async function freeQuietly(
  free: () => Promise<void>,
  { say, onGone }: { readonly say: ServerOptions['say']; readonly onGone: () => void },
): Promise<void> {
  try {
    await free();
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    if (error.code === 'engine_unavailable') onGone();
    say?.(`not unloaded: ${error.message}`);
  }
}

/** A spec of another type than the engine runs: a fault of whoever sent it here. */
export function wrongType(engine: string, type: JobType): EngineError {
  const detail = `${engine} runs no ${type}`;
  return new EngineError({ code: 'engine_rejected', retryable: false, detail });
}
