/**
 * One generation of KoboldCPP, always streamed and under a key of its own, so that it can be
 * aborted whether it runs or waits. A chat goes to the OpenAI-shaped route, where the server
 * applies its template and adds the template's own stop sequences; a plain prompt to the native
 * one. Its events name no end of the stream: the one with a finish reason is the last.
 */
import { z } from 'zod';
import type { TextSpec } from '#schema/job.ts';
import { readAnswer } from '../openai-text/answer.ts';
import type { Answer, TextEvent } from '../openai-text/answer.ts';
import { parseJson, readChunks } from '../openai-text/chunk.ts';
import type { Fit, Message } from '../openai-text/context.ts';
import type { Tokenizer } from '../openai-text/tokenizer.ts';
import { EngineError } from '../engine.ts';
import type { RunContext } from '../engine.ts';
import { away, failed } from '../server/fault.ts';
import type { ServerClient } from '../server/client.ts';
import { readEvents } from '../server/sse.ts';

/** A cancelled job has ended for the server within this time, or is ended without its word. */
const ABORT_MS = 700;
/** The server itself allows an answer no more of the context. */
const ANSWER_SHARE_MAX = 0.8;
/** Its seeds are signed; a negative one would be random. */
const SEED_MASK = 0x7fffffff;

const Token = z.object({ token: z.string(), finish_reason: z.string().nullish() });
const Count = z.object({ value: z.int().min(0), prompt: z.string().nullish() });
const Value = z.object({ value: z.int().positive() });
/** A stop reason below zero is none, or a fault. */
const Ended = z.object({ idle: z.literal(1), stop_reason: z.int().min(0) });

/** What it would make of a message when it has no template; longer than most templates. */
const FRAME = '\n### Instruction:\n\n### Response:\n';

/** The server's own count; an older one does not know chats, and is asked for their text. */
export async function kobTokenizer(client: ServerClient, signal: AbortSignal): Promise<Tokenizer> {
  const path = '/api/extra/true_max_context_length';
  const context = Value.safeParse(await client.json(path, { signal }));
  if (!context.success) throw failed(`${path}: no number`);
  const ask = async (json: object, at: AbortSignal): Promise<z.infer<typeof Count>> => {
    const answer = await client.json('/api/extra/tokencount', { json, signal: at });
    const count = Count.safeParse(answer);
    if (!count.success) throw failed('/api/extra/tokencount: no number');
    return count.data;
  };
  return {
    contextTokens: context.data.value,
    countText: async (prompt, at) => (await ask({ prompt }, at)).value,
    count: async (messages, at) => {
      const chat = await ask({ messages }, at);
      if (typeof chat.prompt === 'string' && chat.prompt !== '') return chat.value;
      return (await ask({ prompt: plainOf(messages) }, at)).value;
    },
  };
}

function plainOf(messages: readonly Message[]): string {
  return messages.map(({ content }) => FRAME + content).join('');
}

interface Generation {
  readonly client: ServerClient;
  readonly spec: TextSpec;
  readonly fit: Fit;
  readonly contextTokens: number;
  readonly context: RunContext;
}

/** Runs it to its end; when it ends before, for whatever cause, the server is told to stop. */
export async function generate(generation: Generation): Promise<Answer> {
  const { client, spec, context, contextTokens } = generation;
  const genkey = `tessera-${crypto.randomUUID()}`;
  const shareMax = Math.max(1, Math.floor(contextTokens * ANSWER_SHARE_MAX));
  const maxTokens = Math.min(generation.fit.maxTokens, shareMax);
  const { path, json } = requestOf(generation, { genkey, maxTokens });
  let over = false;
  async function* events(stream: AsyncIterable<Uint8Array>): AsyncGenerator<TextEvent> {
    for await (const event of spec.prompt === null ? readChunks(stream) : readTokens(stream)) {
      if (event.kind === 'finish') over = true;
      yield event;
    }
  }
  try {
    const answer = await readAnswer({
      spec,
      context,
      maxTokens,
      after: client.after,
      open: async function* open(watch) {
        const { chunks } = await client.open(path, { json, watch, signal: watch.signal });
        yield* events(chunks);
        // All was told before the server saw that it was all: then it leaves the end out.
        if (over || !(await hasEnded(client, watch.signal))) return;
        over = true;
        yield { kind: 'finish', reason: 'length' };
      },
    });
    // Cut at a stop sequence: it would go on.
    if (!over) await abort(client, genkey);
    return answer;
  } catch (error) {
    const isThere = over || (await abort(client, genkey));
    const isBroken = error instanceof EngineError && error.code === 'job_failed';
    // A process that is killed closes its stream as one does that has told all.
    if (isBroken && !isThere) throw away('KoboldCPP went away in the middle of an answer');
    throw error;
  }
}

/** Whether its last generation came to an end of its own, and nothing runs. */
async function hasEnded(client: ServerClient, signal: AbortSignal): Promise<boolean> {
  try {
    return Ended.safeParse(await client.json('/api/extra/perf', { signal })).success;
  } catch {
    // Gone, or of a version that does not tell: then it broke off.
    return false;
  }
}

/** Its own end ends nothing else: best effort, within a moment. Answers whether it was heard. */
async function abort(client: ServerClient, genkey: string): Promise<boolean> {
  const { signal } = new AbortController();
  try {
    await client.ask('/api/extra/abort', { json: { genkey }, signal, timeoutMs: ABORT_MS });
    return true;
  } catch {
    // Gone, or too busy to answer: the closed stream tells it the same.
    return false;
  }
}

function requestOf(
  { spec, fit, contextTokens }: Generation,
  { genkey, maxTokens }: { readonly genkey: string; readonly maxTokens: number },
): { readonly path: string; readonly json: object } {
  const { temperature, top_p, stop } = spec;
  const common = { genkey, temperature, top_p, max_context_length: contextTokens };
  const seed = spec.seed & SEED_MASK;
  if (spec.prompt === null) {
    const options = { stream: true, stream_options: { include_usage: true } };
    const { messages } = fit;
    const json = { ...common, ...options, messages, seed, stop, max_tokens: maxTokens };
    return { path: '/v1/chat/completions', json };
  }
  const sampler = { sampler_seed: seed, stop_sequence: stop, trim_stop: true };
  const json = { ...common, ...sampler, prompt: spec.prompt, max_length: maxTokens };
  return { path: '/api/extra/generate/stream', json };
}

async function* readTokens(stream: AsyncIterable<Uint8Array>): AsyncGenerator<TextEvent> {
  for await (const data of readEvents(stream)) {
    const { token, finish_reason: reason } = parseJson(data, Token);
    if (token !== '') yield { kind: 'text', text: token };
    if (!reason) continue;
    yield { kind: 'finish', reason };
    // Nothing follows; the server closes in its own time.
    return;
  }
}
