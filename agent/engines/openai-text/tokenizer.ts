/**
 * How long a conversation is for a server, by the server's own tokenizer and chat template.
 * llama.cpp and vLLM say; of others (Ollama) nothing is known but their refusal.
 */
import { z } from 'zod';
import { failed } from '../server/fault.ts';
import type { ServerClient } from '../server/client.ts';
import type { Message } from './context.ts';

export type TextServer = 'llamacpp' | 'vllm' | 'ollama' | 'other';

export interface Tokenizer {
  readonly contextTokens: number;
  readonly count: (messages: readonly Message[], signal: AbortSignal) => Promise<number>;
  readonly countText: (text: string, signal: AbortSignal) => Promise<number>;
}

const Props = z.object({ default_generation_settings: z.object({ n_ctx: z.int().positive() }) });
const Template = z.object({ prompt: z.string() });
const Tokens = z.object({ tokens: z.array(z.unknown()) });
const Count = z.object({ count: z.int() });

/** The tokenizer of a model there, or null when the server tells too little. */
export async function findTokenizer(
  client: ServerClient,
  server: { readonly kind: TextServer; readonly model: string; readonly lengthMax: number | null },
  signal: AbortSignal,
): Promise<Tokenizer | null> {
  switch (server.kind) {
    case 'llamacpp':
      return llamaTokenizer(client, signal);
    case 'vllm':
      return server.lengthMax === null
        ? null
        : vllmTokenizer(client, server.model, server.lengthMax);
    case 'ollama':
    case 'other':
      return null;
  }
}

async function llamaTokenizer(
  client: ServerClient,
  signal: AbortSignal,
): Promise<Tokenizer | null> {
  const props = Props.safeParse(await client.json('/props', { signal }));
  // A router has no context of its own.
  if (!props.success) return null;
  const countText = async (content: string, at: AbortSignal): Promise<number> => {
    const json = { content, add_special: true, parse_special: true };
    return expect('/tokenize', Tokens, await client.json('/tokenize', { json, signal: at })).tokens
      .length;
  };
  return {
    contextTokens: props.data.default_generation_settings.n_ctx,
    countText,
    count: async (messages, at) => {
      const path = '/apply-template';
      const answer = await client.json(path, { json: { messages }, signal: at });
      return countText(expect(path, Template, answer).prompt, at);
    },
  };
}

function vllmTokenizer(client: ServerClient, model: string, contextTokens: number): Tokenizer {
  const count = async (json: object, signal: AbortSignal): Promise<number> =>
    expect('/tokenize', Count, await client.json('/tokenize', { json, signal })).count;
  return {
    contextTokens,
    countText: (prompt, signal) => count({ model, prompt }, signal),
    count: (messages, signal) => count({ model, messages }, signal),
  };
}

function expect<T>(path: string, schema: z.ZodType<T>, answer: unknown): T {
  const parsed = schema.safeParse(answer);
  if (!parsed.success) throw failed(`${path}: ${JSON.stringify(answer)?.slice(0, 200)}`);
  return parsed.data;
}
