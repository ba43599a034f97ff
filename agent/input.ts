/**
 * The files that a job brings: fetched from the edge into the folder of the run, bounded and
 * checked by their hash, while the job waits for the engine or the engine makes ready; the engine
 * asks for them when it needs them. A transfer that fails is tried again a few times, as long as
 * the lease lasts; then another attempt may do better. A file that is gone is not asked for
 * again. Once the run is over they are removed: a result may lie here for long.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { InputFile } from '#schema/agent-protocol.ts';
import { endingOf } from '#schema/file.ts';
import { BACKOFF_MS_MIN } from '#schema/limits.ts';
import type { Clock } from './clock.ts';
import type { EdgeClient } from './edge-client.ts';
import { EngineError } from './engines/engine.ts';
import { INPUT_TRIES_MAX, LEASE_RETRY_MS_MAX } from './limits.ts';

export interface InputParts {
  readonly edge: Pick<EdgeClient, 'download'>;
  readonly clock: Pick<Clock, 'after'>;
  readonly inputs: readonly InputFile[];
  /** Folder of the run. */
  readonly directory: string;
  readonly signal: AbortSignal;
}

export class Inputs {
  readonly #parts: InputParts;
  readonly #over = new AbortController();
  readonly #fetched = new Map<string, Promise<string>>();

  constructor(parts: InputParts) {
    this.#parts = { ...parts, signal: AbortSignal.any([parts.signal, this.#over.signal]) };
  }

  /** Of all its files, whether or not they are here. */
  get bytes(): number {
    return this.#parts.inputs.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Where a file of the job lies, fetched once; rejects with `EngineError`. */
  open(fileId: string): Promise<string> {
    const known = this.#fetched.get(fileId);
    if (known) return known;
    const path = fetchInput(this.#parts, fileId);
    // Why it failed, hears who asks for it.
    path.catch(() => undefined);
    this.#fetched.set(fileId, path);
    return path;
  }

  /** Fetches what the job brings, one after the other; never rejects. */
  async fetchAll(): Promise<void> {
    const { inputs, directory } = this.#parts;
    try {
      if (inputs.length > 0) await mkdir(directory, { recursive: true, mode: 0o700 });
      for (const { fileId } of inputs) await this.open(fileId);
    } catch {
      // Told to the engine when it asks; a folder that cannot be made fails the run itself.
    }
  }

  /** Gives up what is still to come: the job is not wanted any more, or its run is over. */
  stop(): void {
    this.#over.abort(new Error('stopped'));
  }

  /** Removes what came, after a stop. */
  async remove(): Promise<void> {
    this.stop();
    for (const fetching of this.#fetched.values()) {
      const path = await fetching.catch(() => null);
      // What stays, goes with the folder.
      if (path !== null) await rm(path, { force: true }).catch(() => undefined);
    }
  }
}

async function fetchInput(parts: InputParts, fileId: string): Promise<string> {
  const { edge, inputs, directory, signal } = parts;
  const input = inputs.find((one) => one.fileId === fileId);
  if (!input) throw gone(`${fileId} was deleted or has expired`);
  const path = join(directory, `${fileId}.${endingOf(input.contentType)}`);
  let detail = '';
  for (let attempt = 1; attempt <= INPUT_TRIES_MAX; attempt += 1) {
    const result = await edge.download({ input, path }, signal);
    signal.throwIfAborted();
    if (result.ok) return path;
    const { failure } = result;
    ({ detail } = failure);
    if (failure.reason === 'refused' && failure.code === 'not_found') throw gone(detail);
    // Its URL is too old: the next lease has a new one.
    if (failure.reason === 'refused' && failure.code === 'media_expired') break;
    if (attempt === INPUT_TRIES_MAX) break;
    const waitMs = failure.retryAfterMs ?? BACKOFF_MS_MIN * 2 ** attempt;
    await wait(parts, Math.min(waitMs, LEASE_RETRY_MS_MAX));
  }
  const why = `${fileId} could not be fetched: ${detail}`;
  throw new EngineError({ code: 'job_failed', retryable: true, detail: why });
}

function gone(detail: string): EngineError {
  return new EngineError({ code: 'input_unreadable', retryable: false, detail });
}

function wait({ clock, signal }: InputParts, ms: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, () => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    });
    const onAbort = () => {
      cancel();
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
