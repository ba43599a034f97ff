/**
 * One generated answer from a server's stream: shown as it comes, cut at the stop sequences,
 * counted, written down. What every text server has in common; what its events look like, its
 * own driver knows. An answer without a word is a failure. Whatever stalls is given up.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TextSpec } from '#schema/job.ts';
import { TEXT_CHARS_MAX } from '../../limits.ts';
import { EngineError } from '../engine.ts';
import type { Output, RunContext } from '../engine.ts';
import { away, failed, lacking, refused } from '../server/fault.ts';
import type { After } from '../server/watch.ts';
import { Watch } from '../server/watch.ts';
import { StopCutter } from './stop.ts';

/** A long prompt is read, behind another request, by a model that has to be loaded before. */
export const FIRST_TOKEN_MS = 4 * 60_000;
/** Between two tokens even a model in main memory takes seconds, not a minute. */
export const NEXT_TOKEN_MS = 60_000;
/** The longest answer, at four tokens a second. */
export const ANSWER_MS = 20 * 60_000;
/** Characters of a token; where tokens are not told, they are counted so, and never too many. */
const TOKEN_CHARS = 5;

/** What a server's stream says, in its order. */
export type TextEvent =
  | { readonly kind: 'text'; readonly text: string }
  /** It works, on what is not shown. */
  | { readonly kind: 'thought' }
  | { readonly kind: 'usage'; readonly promptTokens: number; readonly completionTokens: number }
  | { readonly kind: 'finish'; readonly reason: string };

export interface Answer {
  readonly text: string;
  readonly promptTokens: number | null;
  /** What the server said, else null. */
  readonly completionTokens: number | null;
  /** Pieces that came; at most one for each token. */
  readonly pieces: number;
}

interface Source {
  /** Opens the stream; it ends when the watch's signal aborts. */
  readonly open: (watch: Watch) => AsyncIterable<TextEvent>;
  readonly spec: TextSpec;
  /** The most tokens that it may have. */
  readonly maxTokens: number;
  readonly context: RunContext;
  readonly after: After;
}

/** Reads an answer to its end; rejects with `EngineError`, or the signal's reason. */
export async function readAnswer(source: Source): Promise<Answer> {
  const { spec, context, maxTokens } = source;
  const watch = new Watch(context.signal, source.after);
  watch.limit(ANSWER_MS, () => overdue());
  watch.expect(FIRST_TOKEN_MS, () => away(`no token in ${FIRST_TOKEN_MS} ms`));
  const reader = new Reader(spec, maxTokens, context);
  try {
    context.onProgress({ fraction: 0, stage: 'running', step: 0, steps: maxTokens });
    for await (const event of source.open(watch)) {
      watch.signal.throwIfAborted();
      if (event.kind === 'text' || event.kind === 'thought') {
        watch.expect(NEXT_TOKEN_MS, () => away(`no further token in ${NEXT_TOKEN_MS} ms`));
      }
      reader.take(event);
      // What comes after a stop sequence is not wanted: leaving closes the stream.
      if (reader.full) break;
    }
    watch.signal.throwIfAborted();
    return reader.end();
  } catch (error) {
    // A stream that breaks because of the abort says so in its own words.
    if (watch.signal.aborted) throw watch.signal.reason;
    throw error;
  } finally {
    watch.end();
  }
}

class Reader {
  readonly #cutter: StopCutter;
  readonly #maxTokens: number;
  readonly #context: RunContext;
  #text = '';
  #pieces = 0;
  #thoughts = 0;
  #finish: string | null = null;
  #usage: Extract<TextEvent, { kind: 'usage' }> | null = null;

  constructor(spec: TextSpec, maxTokens: number, context: RunContext) {
    this.#cutter = new StopCutter(spec.stop);
    this.#maxTokens = maxTokens;
    this.#context = context;
  }

  get full(): boolean {
    return this.#cutter.hit || this.#text.length >= TEXT_CHARS_MAX;
  }

  take(event: TextEvent): void {
    switch (event.kind) {
      case 'text':
        this.#pieces++;
        this.#show(this.#cutter.push(event.text));
        this.#report();
        return;
      case 'thought':
        this.#pieces++;
        this.#thoughts++;
        this.#report();
        return;
      case 'usage':
        this.#usage = event;
        return;
      case 'finish':
        this.#finish = event.reason;
    }
  }

  end(): Answer {
    const { hit } = this.#cutter;
    if (!this.full) {
      if (this.#finish === null) throw failed('the stream broke off before the answer ended');
      if (this.#finish === 'error') throw lacking('the server has no model loaded, or it failed');
      if (this.#finish === 'content_filter') {
        const detail = 'the server blocked the answer';
        throw new EngineError({ code: 'content_blocked', retryable: false, detail });
      }
      this.#show(this.#cutter.end());
    }
    if (this.#text.trim() === '') throw this.#emptiness(hit);
    const { promptTokens = null, completionTokens = null } = this.#usage ?? {};
    return { text: this.#text, promptTokens, completionTokens, pieces: this.#pieces };
  }

  #emptiness(hit: boolean): EngineError {
    if (hit) return refused('the answer begins with a stop sequence: leave that one out');
    if (this.#thoughts === 0) return failed(`an empty answer (${this.#finish})`);
    return refused('the model thought until its tokens were used up: allow more tokens');
  }

  #show(text: string): void {
    if (text === '') return;
    this.#text += text;
    this.#context.onText(text);
  }

  #report(): void {
    const told = Math.floor(this.#text.length / TOKEN_CHARS);
    const step = Math.min(this.#maxTokens, Math.max(this.#pieces, told));
    const fraction = step / this.#maxTokens;
    this.#context.onProgress({ fraction, stage: 'running', step, steps: this.#maxTokens });
  }
}

/** Tokens of an answer whose server does not count: never more than it can have. */
export function estimateTokens({ text, pieces }: Answer, maxTokens: number): number {
  return Math.min(maxTokens, Math.max(pieces, Math.floor(text.length / TOKEN_CHARS)));
}

/** The answer as the first file; what the user has to know about it as a second one. */
export async function writeAnswer(
  answer: Answer,
  note: string | null,
  directory: string,
): Promise<readonly Output[]> {
  const texts = note === null ? [answer.text] : [answer.text, note];
  const none = { width: null, height: null, durationS: null, thumbnail: null };
  return Promise.all(
    texts.map(async (text, index): Promise<Output> => {
      const path = join(directory, `${index}.txt`);
      await writeFile(path, text);
      return { path, contentType: 'text/plain', ...none };
    }),
  );
}

function overdue(): EngineError {
  const detail = `the answer was not over in ${ANSWER_MS} ms`;
  return new EngineError({ code: 'job_timeout', retryable: false, detail });
}
