/**
 * Calls of the agent protocol: over HTTPS on kept-alive connections, and those that come with
 * every job over a WebSocket while there is one (edge-socket.ts). Every answer is parsed; an
 * expected failure is a value, never a throw: refused by the edge (with its code), unreachable
 * (network, time-out, a proxy's page), malformed (not what the contract says) or aborted by us.
 * Repeats nothing: when to try again is decided by the session.
 */
import { createHash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import type { ReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { Agent, fetch } from 'undici';
import type { RequestInit, Response } from 'undici';
import { z } from 'zod';
import {
  AcquireAnswer,
  BeginUploadAnswer,
  ControlAnswer,
  EndAnswer,
  LeaveAnswer,
  PartAnswer,
  RegisterAnswer,
  RenewAnswer,
  StreamAnswer,
  UPLOAD_HEADERS,
  UploadAnswer,
} from '#schema/agent-protocol.ts';
import type {
  BeginUploadBody,
  FinishUploadBody,
  InputFile,
  StreamBody,
} from '#schema/agent-protocol.ts';
import type { ArtifactRole, ContentType } from '#schema/artifact.ts';
import { ErrorBody } from '#schema/error.ts';
import {
  ANSWER_BYTES_MAX,
  CALL_MS_MAX,
  GOODBYE_MS_MAX,
  RETRY_AFTER_MS_MAX,
  UPLOAD_BYTES_PER_S_MIN,
  VERIFY_BYTES_PER_S_MIN,
} from './limits.ts';
import { createClock } from './clock.ts';
import type { Clock } from './clock.ts';
import { EdgeSocket } from './edge-socket.ts';
import type { SocketNews } from './edge-socket.ts';
import type { AnswerOf, BodyOf, CallFailure, Grant, Request, Verb } from './session/state.ts';

export type Result<T, F> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly failure: F };

/** Bytes to be sent, and the lease they belong to. */
interface Sending {
  readonly grant: Grant;
  readonly index: number;
  readonly contentType: ContentType;
  readonly bytes: number;
  readonly sha256: string;
  /** Opens the file; called once. */
  readonly open: () => ReadStream;
}

/** One file of one output. */
export interface Upload extends Sending {
  readonly role: ArtifactRole;
}

/** One part of a result. */
export interface PartUpload extends Sending {
  readonly uploadId: string;
  /** From 1. */
  readonly number: number;
}

const ANSWERS: { readonly [V in Verb]: z.ZodType<AnswerOf<V>> } = {
  register: RegisterAnswer,
  acquire: AcquireAnswer,
  control: ControlAnswer,
  renew: RenewAnswer,
  complete: EndAnswer,
  fail: EndAnswer,
  return: EndAnswer,
};

interface Exchange {
  readonly path: string;
  readonly init: RequestInit;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

export interface EdgeOptions {
  readonly url: URL;
  readonly token: string;
  readonly version: string;
  /** Makes the signal that ends a call which takes too long; given in tests. */
  readonly timeout?: (ms: number) => AbortSignal;
  readonly clock?: Clock;
  /** Told when a socket opens beside HTTPS, and why it is no longer open, or none can be. */
  readonly onSocket?: (news: SocketNews, detail: string) => void;
}

/** The edge, as the agent calls it. */
export class EdgeClient {
  readonly #url: URL;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #timeout: (ms: number) => AbortSignal;
  readonly #socket: EdgeSocket;
  // Parked polls outlive undici's own time-outs; every call has its own instead.
  readonly #dispatcher = new Agent({ headersTimeout: 0, bodyTimeout: 0, allowH2: false });

  constructor({ url, token, version, ...more }: EdgeOptions) {
    const { timeout, clock = createClock(), onSocket: onChange = () => {} } = more;
    this.#url = url;
    this.#headers = {
      authorization: `Bearer ${token}`,
      'user-agent': `tessera-agent/${version}`,
      accept: 'application/json',
    };
    this.#socket = new EdgeSocket({ url, headers: this.#headers, clock, onChange });
    this.#timeout = timeout ?? ((ms) => AbortSignal.timeout(ms));
  }

  async call<V extends Verb>(
    verb: V,
    body: BodyOf<V>,
    limits: { readonly timeoutMs: number; readonly signal: AbortSignal },
  ): Promise<Result<AnswerOf<V>, CallFailure>> {
    if (this.#socket.carries(verb)) {
      const result = await this.#socket.call({ verb, body } as Request, limits);
      return 'failure' in result
        ? { ok: false, failure: result.failure }
        : readJson(result.answer, ANSWERS[verb], 'the socket');
    }
    return this.#exchange({ path: verb, init: post(body), ...limits }, ANSWERS[verb]);
  }

  /** Says goodbye; whether it is heard does not matter. */
  async leave(sessionId: string): Promise<void> {
    const limits = { signal: new AbortController().signal, timeoutMs: GOODBYE_MS_MAX };
    await this.#exchange({ path: 'leave', init: post({ sessionId }), ...limits }, LeaveAnswer);
  }

  async stream(body: StreamBody, signal: AbortSignal): Promise<Result<StreamAnswer, CallFailure>> {
    const limits = { signal, timeoutMs: CALL_MS_MAX };
    return this.#exchange({ path: 'stream', init: post(body), ...limits }, StreamAnswer);
  }

  /** Streams one file; it is opened here and closed in any case. */
  async upload(upload: Upload, signal: AbortSignal): Promise<Result<UploadAnswer, CallFailure>> {
    return this.#send(upload, { name: upload.role, headers: {}, signal }, UploadAnswer);
  }

  /** Begins to send a result in parts. */
  async beginUpload(
    body: BeginUploadBody,
    signal: AbortSignal,
  ): Promise<Result<BeginUploadAnswer, CallFailure>> {
    const limits = { signal, timeoutMs: CALL_MS_MAX };
    return this.#exchange(
      { path: 'uploads/begin', init: post(body), ...limits },
      BeginUploadAnswer,
    );
  }

  /** Streams one part, as `upload` does a file. */
  async uploadPart(
    part: PartUpload,
    signal: AbortSignal,
  ): Promise<Result<PartAnswer, CallFailure>> {
    const headers = { [UPLOAD_HEADERS.uploadId]: part.uploadId };
    return this.#send(part, { name: `parts/${part.number}`, headers, signal }, PartAnswer);
  }

  /** All parts are there: the edge makes the result of them, and reads it once. */
  async finishUpload(
    body: FinishUploadBody,
    signal: AbortSignal,
  ): Promise<Result<UploadAnswer, CallFailure>> {
    const timeoutMs = CALL_MS_MAX + Math.ceil((body.bytes / VERIFY_BYTES_PER_S_MIN) * 1000);
    const init = post(body);
    return this.#exchange({ path: 'uploads/finish', init, signal, timeoutMs }, UploadAnswer);
  }

  /** Fetches an input file into `path`; it is whole and hashed, or the call has failed. */
  async download(
    { input, path }: { readonly input: InputFile; readonly path: string },
    signal: AbortSignal,
  ): Promise<Result<null, CallFailure>> {
    const { bytes, sha256, url } = input;
    const timeoutMs = CALL_MS_MAX + Math.ceil((bytes / UPLOAD_BYTES_PER_S_MIN) * 1000);
    const late = this.#timeout(timeoutMs);
    try {
      const response = await fetch(new URL(url, this.#url), {
        // Not the token: the URL is signed.
        signal: AbortSignal.any([signal, late]),
        dispatcher: this.#dispatcher,
        redirect: 'error',
      });
      if (!response.ok) return readAnswer(response, await readText(response), z.null());
      const hash = createHash('sha256');
      if (!response.body) return fail('malformed', 'the file has no content');
      await pipeline(response.body, bounded(bytes, hash), createWriteStream(path));
      if (hash.digest('hex') === sha256) return { ok: true, value: null };
      return fail('malformed', 'the file is not what the edge announced');
    } catch (error) {
      if (signal.aborted) return fail('aborted', 'given up by the agent');
      if (late.aborted) return fail('unreachable', `not fetched within ${timeoutMs} ms`);
      return fail('unreachable', causeOf(error));
    }
  }

  async #send<T>(
    { grant, index, contentType, bytes, sha256, open }: Sending,
    to: { name: string; headers: Readonly<Record<string, string>>; signal: AbortSignal },
    answer: z.ZodType<T>,
  ): Promise<Result<T, CallFailure>> {
    const { signal } = to;
    const file = open();
    try {
      await once(file, 'open');
      const init: RequestInit = {
        method: 'PUT',
        duplex: 'half',
        body: file,
        headers: {
          'content-type': contentType,
          'content-length': String(bytes),
          [UPLOAD_HEADERS.fencingToken]: String(grant.fencingToken),
          [UPLOAD_HEADERS.sha256]: sha256,
          [UPLOAD_HEADERS.ticket]: grant.uploadTicket,
          ...to.headers,
        },
      };
      const path = `jobs/${grant.jobId}/artifacts/${index}/${to.name}`;
      const timeoutMs = CALL_MS_MAX + Math.ceil((bytes / UPLOAD_BYTES_PER_S_MIN) * 1000);
      return await this.#exchange({ path, init, signal, timeoutMs }, answer);
    } catch (error) {
      return fail(signal.aborted ? 'aborted' : 'unreachable', causeOf(error));
    } finally {
      file.destroy();
    }
  }

  /** Cuts every connection. */
  async close(): Promise<void> {
    await Promise.all([this.#socket.close(), this.#dispatcher.destroy()]);
  }

  async #exchange<T>(
    { path, init, signal, timeoutMs }: Exchange,
    answer: z.ZodType<T>,
  ): Promise<Result<T, CallFailure>> {
    const late = this.#timeout(timeoutMs);
    try {
      const response = await fetch(new URL(`/agent/v1/${path}`, this.#url), {
        ...init,
        headers: { ...this.#headers, ...(init.headers as Record<string, string>) },
        signal: AbortSignal.any([signal, late]),
        dispatcher: this.#dispatcher,
        // The token goes to the edge alone.
        redirect: 'error',
      });
      return readAnswer(response, await readText(response), answer);
    } catch (error) {
      if (signal.aborted) return fail('aborted', 'given up by the agent');
      if (late.aborted) return fail('unreachable', `no answer within ${timeoutMs} ms`);
      return fail('unreachable', causeOf(error));
    }
  }
}

/** Hashes what passes; more than was announced ends it. */
function bounded(bytesMax: number, hash: Hash) {
  return async function* pass(chunks: AsyncIterable<Uint8Array>) {
    let bytes = 0;
    for await (const chunk of chunks) {
      bytes += chunk.length;
      if (bytes > bytesMax) throw new Error('the file is larger than announced');
      hash.update(chunk);
      yield chunk;
    }
  };
}

function post(body: unknown): RequestInit {
  const headers = { 'content-type': 'application/json' };
  return { method: 'POST', headers, body: JSON.stringify(body) };
}

function readAnswer<T>(
  response: Response,
  text: string,
  answer: z.ZodType<T>,
): Result<T, CallFailure> {
  const json = parseJson(text);
  if (response.ok) return readJson(json, answer, `HTTP ${response.status}`);
  const retryAfterMs = parseRetryAfter(response.headers.get('retry-after'));
  const refusal = ErrorBody.safeParse(json);
  if (!refusal.success) {
    // Not the edge's own words: a proxy, or the wrong address.
    return fail('unreachable', `HTTP ${response.status} without an error body`, retryAfterMs);
  }
  const { code, message, request_id } = refusal.data.error;
  const detail = `${code}: ${message} (request ${request_id})`;
  return { ok: false, failure: { reason: 'refused', code, retryAfterMs, detail } };
}

function readJson<T>(json: unknown, answer: z.ZodType<T>, from: string): Result<T, CallFailure> {
  const parsed = answer.safeParse(json);
  if (parsed.success) return { ok: true, value: parsed.data };
  const where = parsed.error.issues[0];
  const path = where?.path.join('.') || 'body';
  return fail('malformed', `${from}, ${path}: ${where?.message ?? 'unreadable'}`);
}

/** Seconds, or null: HTTP dates are not sent by the edge (RFC 9110, 10.2.3). */
function parseRetryAfter(value: string | null): number | null {
  if (value === null || !/^\d{1,9}$/.test(value)) return null;
  return Math.min(Number(value) * 1000, RETRY_AFTER_MS_MAX);
}

async function readText(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += (chunk as Uint8Array).byteLength;
    if (bytes > ANSWER_BYTES_MAX) throw new Error('the answer is too large');
    text += decoder.decode(chunk as Uint8Array, { stream: true });
  }
  return text + decoder.decode();
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not JSON: the schema says so in its own words.
    return undefined;
  }
}

function fail(
  reason: 'unreachable' | 'malformed' | 'aborted',
  detail: string,
  retryAfterMs: number | null = null,
): { ok: false; failure: CallFailure } {
  return { ok: false, failure: { reason, detail, retryAfterMs } };
}

/** undici wraps the cause: "fetch failed" alone says nothing. */
function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? error.cause : error;
  const code = 'code' in cause && typeof cause.code === 'string' ? `${cause.code} ` : '';
  return `${code}${cause.message}`.slice(0, 300);
}
