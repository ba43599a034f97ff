/**
 * The events of an OpenAI-shaped stream, of chats and of plain completions, as llama.cpp, vLLM,
 * Ollama and KoboldCPP write them. What is not such an event is a failure, never skipped.
 */
import { z } from 'zod';
import { failed, faultOf } from '../server/fault.ts';
import { readEvents } from '../server/sse.ts';
import type { TextEvent } from './answer.ts';

const Text = z.string().nullish();
const Chunk = z.object({
  choices: z
    .array(
      z.object({
        text: Text,
        delta: z.object({ content: Text, reasoning_content: Text, reasoning: Text }).nullish(),
        finish_reason: Text,
      }),
    )
    .default([]),
  usage: z.object({ prompt_tokens: z.int(), completion_tokens: z.int() }).nullish(),
  error: z.unknown().optional(),
});

/** What each event of the stream says, until `[DONE]` or its end. */
export async function* readChunks(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<TextEvent> {
  for await (const data of readEvents(chunks)) {
    if (data === '[DONE]') return;
    yield* eventsOf(parseEvent(data));
  }
}

function* eventsOf(chunk: z.infer<typeof Chunk>): Generator<TextEvent> {
  const { choices, usage, error } = chunk;
  if (error !== undefined && error !== null) throw faultOf(0, JSON.stringify(error));
  for (const { text, delta, finish_reason: reason } of choices.slice(0, 1)) {
    const piece = delta?.content ?? text ?? '';
    if (piece !== '') yield { kind: 'text', text: piece };
    else if (delta?.reasoning_content || delta?.reasoning) yield { kind: 'thought' };
    if (reason) yield { kind: 'finish', reason };
  }
  if (usage) {
    const { prompt_tokens: promptTokens, completion_tokens: completionTokens } = usage;
    yield { kind: 'usage', promptTokens, completionTokens };
  }
}

/** An event's data as JSON of the expected shape; rejects garbage with its first words. */
export function parseJson<T>(data: string, schema: z.ZodType<T>): T {
  try {
    const parsed = schema.safeParse(JSON.parse(data));
    if (parsed.success) return parsed.data;
  } catch {
    // Not JSON: told below, with what it was.
  }
  throw failed(`not an event of a text stream: ${data.slice(0, 200)}`);
}

function parseEvent(data: string): z.infer<typeof Chunk> {
  return parseJson(data, Chunk);
}
