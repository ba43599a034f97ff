/**
 * Which model a KoboldCPP has loaded, and how another one is loaded, by its admin API.
 * A swap restarts its process: the old one answers for a moment more, then nobody does, then the
 * new one. A load that fails says so to nobody: the configuration it was started with comes back.
 * So a swap is over when the wanted name is answered, and has failed when another name is
 * answered after the gap. A swap goes on when the job that wanted it is cancelled; what comes
 * next waits for its end. What could not be loaded is remembered.
 */
import { z } from 'zod';
import { EngineError } from '../engine.ts';
import { LoadFaults } from '../load-fault.ts';
import { ASK_MS } from '../server/client.ts';
import type { ServerClient } from '../server/client.ts';
import { away, lacking } from '../server/fault.ts';
import type { After } from '../server/watch.ts';
import { Watch } from '../server/watch.ts';

/** Nothing is loaded. */
export const INACTIVE = 'inactive';
/** How a server is emptied, among the options of its admin API. */
export const UNLOAD = 'unload_model';
/** What the server says instead of a name when it has a password. */
const PROTECTED = 'protected-model';
/** Load of the largest model from a slow disk. */
export const LOAD_MS = 5 * 60_000;
/** The old process goes within two seconds; one that stays has not obeyed. */
const GO_MS = 20_000;
const POLL_MS = 250;
/** Answers of another name after the gap until it counts as a failure. */
const STRANGE_MAX = 4;

const Model = z.object({ result: z.string() });
const Options = z.array(z.string());
const Reload = z.object({ success: z.boolean() });

/** What the operator wrote for a model: a file of the admin folder, and the name it loads under. */
export interface Target {
  /** Null: it cannot be loaded by us, only be there. */
  readonly file: string | null;
  /** Null: whatever it is. */
  readonly name: string | null;
}

/** `b.gguf`, `a.kcpps:Name` (a configuration does not tell its model's name), or a bare name. */
export function parseTarget(written: string): Target | null {
  const [, config, name] = /^(.+\.kcppt?s?):(.+)$/.exec(written) ?? [];
  if (config !== undefined) return { file: config, name: toName(name!) };
  if (/\.kcppt?s?$/.test(written)) return null;
  return { file: /\.[a-z]+$/i.test(written) ? written : null, name: toName(written) };
}

/** The name under which KoboldCPP loads a file: without folder, ending and odd characters. */
export function toName(file: string): string {
  const base = file.slice(file.lastIndexOf('/') + 1).replace(/\.(gguf|ggml|bin|safetensors)$/i, '');
  return base.replace(/[^\p{L}\p{N}_.-]/gu, '');
}

export class Library {
  readonly #client: ServerClient;
  readonly #adminKey: string | null;
  readonly faults: LoadFaults;
  #swap: Promise<void> | null = null;

  constructor(client: ServerClient, adminKey: string | null, now?: () => number) {
    this.#client = client;
    this.#adminKey = adminKey;
    this.faults = new LoadFaults(now);
  }

  get swapping(): boolean {
    return this.#swap !== null;
  }

  /** The loaded model's name, `INACTIVE`, or null when it is kept secret. */
  async loaded(signal: AbortSignal): Promise<string | null> {
    const answer = Model.safeParse(await this.#client.json('/api/v1/model', { signal }));
    if (!answer.success) throw away('/api/v1/model: no name of a model');
    const name = answer.data.result.replace(/^koboldcpp\//, '');
    return name === PROTECTED ? null : name;
  }

  /** What may be loaded; empty where the admin API is off or refuses our key. */
  async options(signal: AbortSignal): Promise<readonly string[]> {
    const key = this.#adminKey;
    const answer = await this.#client.ask('/api/admin/list_options', {
      signal,
      ...(key === null ? {} : { key }),
    });
    if (answer.status !== 200) return [];
    try {
      return Options.safeParse(JSON.parse(answer.bytes.toString())).data ?? [];
    } catch {
      return [];
    }
  }

  /** Loads a file; resolves when `isWanted` is true of the loaded name. */
  async load(
    file: string,
    isWanted: (name: string) => boolean,
    signal: AbortSignal,
  ): Promise<void> {
    await this.settled(signal);
    const swap = this.#load(file, isWanted).finally(() => {
      this.#swap = null;
    });
    this.#swap = swap;
    await untilAborted(swap, signal);
  }

  /** Resolves when no swap is under way; its failure was told to whoever asked for it. */
  async settled(signal: AbortSignal): Promise<void> {
    if (this.#swap)
      await untilAborted(
        this.#swap.catch(() => undefined),
        signal,
      );
  }

  async #load(file: string, isWanted: (name: string) => boolean): Promise<void> {
    const watch = new Watch(new AbortController().signal, this.#client.after);
    watch.limit(LOAD_MS, () => away(`${file}: not loaded in ${LOAD_MS} ms`));
    let isOrdered = false;
    try {
      await this.#order(file, watch.signal);
      isOrdered = true;
      await this.#await(file, isWanted, watch);
      this.faults.forgive(file);
    } catch (error) {
      // Here, not where it is waited for: the job that wanted it may be gone.
      const isItsOwn = isOrdered && file !== UNLOAD && error instanceof EngineError;
      if (isItsOwn) this.faults.note(file, error.message);
      throw error;
    } finally {
      watch.end();
    }
  }

  async #order(filename: string, signal: AbortSignal): Promise<void> {
    const key = this.#adminKey;
    const answer = await this.#client.json('/api/admin/reload_config', {
      json: { filename },
      signal,
      timeoutMs: ASK_MS * 2,
      ...(key === null ? {} : { key }),
    });
    const reload = Reload.safeParse(answer);
    if (!reload.success || !reload.data.success) {
      throw lacking(`KoboldCPP does not load ${filename}: ${JSON.stringify(answer)}`);
    }
  }

  async #await(file: string, isWanted: (name: string) => boolean, watch: Watch): Promise<void> {
    let gone = false;
    let strange = 0;
    watch.expect(GO_MS, () => lacking(`${file}: KoboldCPP goes on with what it had`));
    for (;;) {
      const name = await this.#nameNow(watch.signal);
      watch.signal.throwIfAborted();
      if (name === null) {
        // The gap: from here on only the limit of the whole counts.
        if (!gone) watch.expect(LOAD_MS, () => away(`${file}: KoboldCPP did not come back`));
        gone = true;
      } else if (isWanted(name)) {
        return;
      } else if (gone && ++strange >= STRANGE_MAX) {
        throw lacking(`${file} could not be loaded: KoboldCPP came back with ${name}`);
      }
      await pause(POLL_MS, this.#client.after, watch.signal);
    }
  }

  /** Null while nobody answers. */
  async #nameNow(signal: AbortSignal): Promise<string | null> {
    try {
      return await this.loaded(signal);
    } catch (error) {
      if (signal.aborted) throw error;
      // Nobody listens, or the process is just going: the gap.
      return null;
    }
  }
}

function pause(ms: number, after: After, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onAbort = () => {
    cancel();
    reject(signal.reason as Error);
  };
  const cancel = after(ms, () => {
    signal.removeEventListener('abort', onAbort);
    resolve();
  });
  signal.addEventListener('abort', onAbort, { once: true });
  return promise;
}

/** The same, given up when the signal aborts; what goes on is not ended by that. */
async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason as Error);
  signal.addEventListener('abort', onAbort, { once: true });
  // Whoever gave up does not hear of its failure; the next one looks for itself.
  work.catch(() => undefined);
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}
