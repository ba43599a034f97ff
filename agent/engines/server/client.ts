/**
 * HTTP to an engine's server: JSON, forms and streams, each bounded in time and bytes, each
 * ending when its signal aborts. A failure to reach the server becomes an `EngineError`; an
 * answer of any status is handed back to be judged. Sends no Origin, follows no redirect.
 */
import { Agent, FormData, request } from 'undici';
import type { Dispatcher } from 'undici';
import { EngineError } from '../engine.ts';
import { away, failed, faultOf } from './fault.ts';
import type { After } from './watch.ts';
import { afterReal, Watch } from './watch.ts';

/** A question that needs no work is answered within this time. */
export const ASK_MS = 5000;
/** An answer that is no file: lists of models and of voices. */
const ANSWER_BYTES_MAX = 8 * 1024 * 1024;
/** Of a refusal; the rest says nothing more. */
const WORDS_CHARS_MAX = 2000;

export interface ClientOptions {
  readonly url: URL;
  readonly key: string | null;
  readonly after?: After;
}

interface Question {
  readonly signal: AbortSignal;
  /** By default POST with a body, else GET. */
  readonly method?: 'GET' | 'POST' | 'DELETE';
  readonly json?: object;
  readonly form?: FormData;
  /** Instead of the server's usual one. */
  readonly key?: string | null;
  readonly timeoutMs?: number;
  readonly bytesMax?: number;
}

export interface Reply {
  readonly status: number;
  readonly contentType: string;
  readonly bytes: Buffer;
}

export interface Stream {
  readonly contentType: string;
  readonly chunks: AsyncIterable<Uint8Array>;
}

export class ServerClient {
  readonly after: After;
  readonly #base: string;
  readonly #key: string | null;
  // Engines take minutes: every wait has a watch of its own instead of undici's time-outs.
  readonly #dispatcher = new Agent({ headersTimeout: 0, bodyTimeout: 0, allowH2: false });

  constructor({ url, key, after }: ClientOptions) {
    this.#base = url.href.replace(/\/+$/, '');
    this.#key = key;
    this.after = after ?? afterReal;
  }

  /** One answer, whole, of any status. */
  async ask(path: string, question: Question): Promise<Reply> {
    const { timeoutMs = ASK_MS, bytesMax = ANSWER_BYTES_MAX } = question;
    const watch = new Watch(question.signal, this.after);
    watch.limit(timeoutMs, () => away(`${path}: no answer in ${timeoutMs} ms`));
    try {
      const answer = await this.#send(path, question, watch.signal);
      const parts: Buffer[] = [];
      let bytes = 0;
      for await (const part of answer.body as AsyncIterable<Buffer>) {
        bytes += part.length;
        if (bytes > bytesMax) throw failed(`${path}: an answer of more than ${bytesMax} bytes`);
        parts.push(part);
      }
      const contentType = headerOf(answer, 'content-type');
      return { status: answer.statusCode, contentType, bytes: Buffer.concat(parts) };
    } catch (error) {
      throw reasonOf(error, { path, signal: watch.signal });
    } finally {
      watch.end();
    }
  }

  /** The JSON of a successful answer, null of one that is missing; rejects otherwise. */
  async json(path: string, question: Question): Promise<unknown> {
    const { status, bytes } = await this.ask(path, question);
    if (status === 404 || status === 405 || status === 501) return null;
    const words = bytes.toString().slice(0, WORDS_CHARS_MAX);
    if (status < 200 || status > 299) throw faultOf(status, words);
    try {
      return JSON.parse(bytes.toString());
    } catch {
      throw failed(`${path}: not JSON: ${words}`);
    }
  }

  /** The body of a successful answer as it comes; the watch ends it. */
  async open(path: string, question: Question & { readonly watch: Watch }): Promise<Stream> {
    const { signal } = question.watch;
    try {
      const answer = await this.#send(path, question, signal);
      if (answer.statusCode < 200 || answer.statusCode > 299) {
        throw faultOf(answer.statusCode, await wordsOf(answer));
      }
      const chunks = translate(answer.body, { path, signal });
      return { contentType: headerOf(answer, 'content-type'), chunks };
    } catch (error) {
      throw reasonOf(error, { path, signal });
    }
  }

  /** Gives the connections back. */
  async close(): Promise<void> {
    await this.#dispatcher.destroy();
  }

  async #send(path: string, question: Question, signal: AbortSignal) {
    signal.throwIfAborted();
    const { json, form, key = this.#key } = question;
    const headers = {
      accept: '*/*',
      ...(json ? { 'content-type': 'application/json' } : {}),
      ...(key === null ? {} : { authorization: `Bearer ${key}` }),
    };
    return request(this.#base + path, {
      method: question.method ?? (json || form ? 'POST' : 'GET'),
      headers,
      body: json ? JSON.stringify(json) : (form ?? null),
      signal,
      dispatcher: this.#dispatcher,
    });
  }
}

async function* translate(
  body: AsyncIterable<Uint8Array>,
  where: { readonly path: string; readonly signal: AbortSignal },
): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    throw reasonOf(error, where);
  }
}

async function wordsOf(answer: Dispatcher.ResponseData): Promise<string> {
  let words = '';
  for await (const part of answer.body as AsyncIterable<Buffer>) {
    words += part.toString();
    if (words.length > WORDS_CHARS_MAX) break;
  }
  return words.slice(0, WORDS_CHARS_MAX);
}

function headerOf({ headers }: Dispatcher.ResponseData, name: string): string {
  const value = headers[name];
  return (Array.isArray(value) ? value[0] : value) ?? '';
}

/** Why an exchange ended: its signal's reason before whatever the socket says of it. */
function reasonOf(
  error: unknown,
  { path, signal }: { readonly path: string; readonly signal: AbortSignal },
): Error {
  if (signal.aborted) return signal.reason as Error;
  if (error instanceof EngineError) return error;
  const { code = '', message } = error as NodeJS.ErrnoException;
  return away(`${path}: ${code} ${message}`);
}
