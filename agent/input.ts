/**
 * The files that a job brings: fetched from the edge when its engine first asks for one, into the
 * folder of the run, bounded and checked by their hash. A transfer that fails is tried again a few
 * times, as long as the lease lasts; then another attempt may do better. A file that is gone is
 * not asked for again.
 */
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
  /** Folder of the run; it exists when the first file is asked for. */
  readonly directory: string;
  readonly signal: AbortSignal;
}

/** Answers the path of each file of a job, fetched once. */
export function createInputs(parts: InputParts): (fileId: string) => Promise<string> {
  const fetched = new Map<string, Promise<string>>();
  return (fileId) => {
    const known = fetched.get(fileId);
    if (known) return known;
    const path = fetchInput(parts, fileId);
    fetched.set(fileId, path);
    return path;
  };
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
