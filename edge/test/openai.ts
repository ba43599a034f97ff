/**
 * OpenAI's official client against the Worker, for tests: its requests reach `app.fetch` as they
 * are, abort included. And an agent's part in an answer, by the protocol.
 */
import { createExecutionContext } from 'cloudflare:test';
import OpenAI from 'openai';
import { expect } from 'vitest';
import type { LeasedJob } from '#schema/agent-protocol.ts';
import type { Artifact, ContentType } from '#schema/artifact.ts';
import { app } from '../app.ts';
import { toErrorAnswer } from '../routes/wire.ts';
import type { Wire } from '../routes/wire.ts';
import type { HttpAgent } from './http.ts';
import { HttpWorld } from './http.ts';
import { eventually } from './world.ts';

/** The client's requests and answers, as they went. */
export interface Exchange {
  readonly request: Request;
  readonly response: Response;
}

export class OpenAiWorld extends HttpWorld {
  readonly exchanges: Exchange[] = [];
  /** What the next requests are refused with, before they reach the app. */
  readonly refusals: Wire[] = [];
  /** Answers that are still to be lost on their way. */
  losses = 0;

  client(apiKey: string, options: { maxRetries?: number } = {}): OpenAI {
    return new OpenAI({
      apiKey,
      baseURL: 'http://127.0.0.1:8787/v1',
      maxRetries: 0,
      ...options,
      fetch: (url, init) => this.#fetch(new Request(url, init)),
    });
  }

  /** The network's part: who aborts gets an error, whatever the server does. */
  async #fetch(request: Request): Promise<Response> {
    const gone = new Promise<never>((_, reject) => {
      request.signal.addEventListener('abort', () => reject(new DOMException('', 'AbortError')));
    });
    const refusal = this.refusals.shift();
    const answer = refusal
      ? toResponse(refusal)
      : app.fetch(request, this.bindings, createExecutionContext());
    const response = await Promise.race([answer, gone]);
    this.exchanges.push({ request, response });
    if (this.losses === 0) return response;
    this.losses -= 1;
    await response.body?.cancel();
    throw new TypeError('the connection was reset');
  }

  /** An account's client, and an agent with these models. */
  async open(models: readonly string[], options: { maxRetries?: number } = {}) {
    const [{ api_key: key, id: accountId }, agent] = await Promise.all([
      this.newAccount(),
      this.newAgent(models),
    ]);
    return { client: this.client(key, options), key, accountId, agent };
  }
}

function toResponse(wire: Wire): Response {
  const { body, ...init } = toErrorAnswer(wire, 'req_refused');
  return Response.json(body, init);
}

/** The next job, as soon as it is there. */
export function takeSoon(agent: HttpAgent): Promise<LeasedJob> {
  return eventually(async () => (await agent.acquire()).job);
}

export interface MadeFile {
  readonly bytes: Uint8Array;
  readonly contentType: ContentType;
}

/** Uploads these as the job's results and completes it. */
export async function finishWith(
  agent: HttpAgent,
  job: LeasedJob,
  made: { files: readonly MadeFile[]; usage?: object },
): Promise<void> {
  const artifacts: Artifact[] = [];
  for (const [index, file] of made.files.entries()) {
    const bytes = new Uint8Array(file.bytes);
    const response = await agent.upload(job, { index, ...file, bytes });
    expect(response.status, await response.clone().text()).toBe(200);
    const stored =
      await response.json<Pick<Artifact, 'key' | 'contentType' | 'bytes' | 'sha256'>>();
    const none = { width: null, height: null, durationS: null, thumbnailKey: null };
    artifacts.push({ index, ...stored, ...none });
  }
  await agent.complete(job, { artifacts, usage: made.usage ?? {} });
}

/** Answers a text job: streams the pieces, leaves their sum as its file. */
export async function answerText(
  agent: HttpAgent,
  job: LeasedJob,
  { pieces, usage }: { pieces: readonly string[]; usage: object },
): Promise<void> {
  let offset = 0;
  for (const piece of pieces) {
    expect((await agent.stream(job, offset, piece)).status).toBe(200);
    offset += piece.length;
  }
  const text = new TextEncoder().encode(pieces.join(''));
  await finishWith(agent, job, { files: [{ bytes: text, contentType: 'text/plain' }], usage });
}
