/**
 * Text by any server that speaks the OpenAI API: llama.cpp, vLLM, Ollama and their kin. Chats go
 * to /v1/chat/completions, which applies the model's own template, plain prompts to
 * /v1/completions; both stream. Where the server has a tokenizer to ask, a conversation that is
 * too long is shortened before; where it has none, after it was refused. Closing the stream
 * cancels. The server decides itself what it keeps loaded; only Ollama is told to unload.
 */
import { z } from 'zod';
import type { JobSpec, TextSpec } from '#schema/job.ts';
import type { ModelId } from '#schema/model.ts';
import { EngineError } from './engine.ts';
import type { Engine, RunContext, RunResult } from './engine.ts';
import { estimateTokens, readAnswer, writeAnswer } from './openai-text/answer.ts';
import type { Answer } from './openai-text/answer.ts';
import { readChunks } from './openai-text/chunk.ts';
import { describeDropped, fitMessages, shorterOnes } from './openai-text/context.ts';
import type { Fit } from './openai-text/context.ts';
import { findTokenizer } from './openai-text/tokenizer.ts';
import type { TextServer, Tokenizer } from './openai-text/tokenizer.ts';
import { ServerEngine } from './server/driver.ts';
import type { Found } from './server/driver.ts';
import { matchModels, wrongType } from './server/engine.ts';
import type { ServerOptions } from './server/engine.ts';
import { failed, isContextFault, refused } from './server/fault.ts';

const USUAL = 'chat';
/** How often a conversation is shortened that a server without a tokenizer refuses. */
const SHORTENINGS_MAX = 9;

const Models = z.object({
  data: z.array(
    z.object({
      id: z.string(),
      owned_by: z.string().nullish(),
      max_model_len: z.int().positive().nullish(),
    }),
  ),
});
type Listed = z.infer<typeof Models>['data'][number];

/** A model of the catalog as this server has it. */
interface Served {
  readonly name: string;
  readonly kind: TextServer;
  readonly lengthMax: number | null;
}

class OpenaiText extends ServerEngine<Served> {
  readonly name = 'text';

  protected async look(signal: AbortSignal): Promise<Found<Served> | null> {
    const answer = await this.teller.watching(this.client.json('/v1/models', { signal }));
    if (answer === null) return null;
    const listed = Models.safeParse(answer);
    if (!listed.success) throw failed('/v1/models: no list of models');
    const { data } = listed.data;
    const { settings } = this;
    const ids = data.map(({ id }) => id);
    const { names, missing } = matchModels('text', { settings, ids, usual: USUAL });
    this.teller.tell(missing);
    const entries = [...names].map(([id, name]): [ModelId, Served] => {
      const entry = data.find((other) => other.id === name)!;
      return [id, { name, kind: kindOf(entry), lengthMax: entry.max_model_len ?? null }];
    });
    // These have loaded what they list; a router of llama.cpp too, as far as anybody can tell.
    const steady = entries.filter(([, { kind }]) => kind === 'llamacpp' || kind === 'vllm');
    const kinds = [...new Set(data.map(({ owned_by: owner }) => owner ?? 'unknown'))];
    const version = kinds.join(', ').slice(0, 200);
    return { version, served: new Map(entries), loaded: new Map(steady) };
  }

  async run(spec: JobSpec, context: RunContext): Promise<RunResult> {
    context.signal.throwIfAborted();
    if (spec.type !== 'text') throw wrongType('a text server', spec.type);
    const served = this.find(spec.model);
    const { signal } = context;
    const { name: model, kind, lengthMax } = served;
    const tokenizer = await findTokenizer(this.client, { kind, model, lengthMax }, signal);
    const { answer, fit } = await this.#answer({ spec, served, tokenizer, context });
    this.holds(spec.model, served);
    const memory = tokenizer?.contextTokens ?? null;
    const note = fit.dropped > 0 ? describeDropped(fit.dropped, memory) : null;
    return {
      outputs: await writeAnswer(answer, note, context.directory),
      usage: usageOf(answer, fit),
      loadMs: 0,
    };
  }

  /** Ollama's own way: a request that asks for nothing and keeps nothing. */
  protected async unload({ kind, name }: Served, signal: AbortSignal): Promise<boolean> {
    if (kind !== 'ollama') return false;
    const json = { model: name, keep_alive: 0 };
    return (await this.client.ask('/api/generate', { json, signal })).status === 200;
  }

  async #answer(work: Work): Promise<{ answer: Answer; fit: Fit }> {
    const { spec, tokenizer } = work;
    const { signal } = work.context;
    if (tokenizer) {
      const fit = await fitSpec(spec, tokenizer, signal);
      return { answer: await this.#read(work, fit), fit };
    }
    const { max_tokens: maxTokens } = spec;
    const shorter = spec.prompt === null ? shorterOnes(spec.messages) : [[]];
    const last = shorter.length - 1;
    let index = 0;
    for (let tries = 0; tries < SHORTENINGS_MAX; tries++) {
      const messages = shorter[index]!;
      const dropped = spec.messages.length - messages.length;
      const fit = { messages, dropped, maxTokens, promptTokens: 0 };
      try {
        return { answer: await this.#read(work, fit), fit };
      } catch (error) {
        if (!(error instanceof EngineError && isContextFault(error.message))) throw error;
        if (index === last) throw error;
        index += Math.ceil((last - index) / 2);
      }
    }
    throw refused('the conversation is longer than what the model reads at once');
  }

  #read({ spec, served, context }: Work, fit: Fit): Promise<Answer> {
    const { client } = this;
    const json = {
      model: served.name,
      ...(spec.prompt === null ? { messages: fit.messages } : { prompt: spec.prompt }),
      max_tokens: fit.maxTokens,
      temperature: spec.temperature,
      top_p: spec.top_p,
      seed: spec.seed,
      ...(spec.stop.length > 0 ? { stop: spec.stop } : {}),
      ...(spec.json ? jsonOnly(served.kind, spec) : {}),
      stream: true,
      stream_options: { include_usage: true },
    };
    const path = spec.prompt === null ? '/v1/chat/completions' : '/v1/completions';
    return readAnswer({
      spec,
      context,
      maxTokens: fit.maxTokens,
      after: client.after,
      open: async function* open(watch) {
        const { chunks } = await client.open(path, { json, watch, signal: watch.signal });
        yield* readChunks(chunks);
      },
    });
  }
}

interface Work {
  readonly spec: TextSpec;
  readonly served: Served;
  readonly tokenizer: Tokenizer | null;
  readonly context: RunContext;
}

/** The engine of the models that an OpenAI-compatible text server has. */
export function createOpenaiText(options: ServerOptions): Engine {
  return new OpenaiText(options);
}

/** What of a job is sent, by the server's own count. */
export async function fitSpec(
  spec: TextSpec,
  { contextTokens, count, countText }: Tokenizer,
  signal: AbortSignal,
): Promise<Fit> {
  const { max_tokens: maxTokens, prompt } = spec;
  const room = { contextTokens, maxTokens, count: () => countText(prompt ?? '', signal) };
  if (prompt !== null) return fitMessages([], room);
  return fitMessages(spec.messages, { ...room, count: (some) => count(some, signal) });
}

/** llama.cpp takes a wish without a schema for none, and knows one of a prompt by another name. */
function jsonOnly(kind: TextServer, { prompt }: TextSpec): object {
  const type = 'json_object';
  if (kind !== 'llamacpp') return { response_format: { type } };
  const schema = { type: 'object' };
  return prompt === null ? { response_format: { type, schema } } : { json_schema: schema };
}

/** What an answer used: by the server's count, else by the tokenizer's and an estimate. */
function usageOf(answer: Answer, fit: Fit): RunResult['usage'] {
  const promptTokens = answer.promptTokens ?? (fit.promptTokens || undefined);
  const told = answer.completionTokens ?? estimateTokens(answer, fit.maxTokens);
  return {
    ...(promptTokens === undefined ? {} : { promptTokens }),
    completionTokens: Math.min(told, fit.maxTokens),
  };
}

function kindOf({ owned_by: owner }: Listed): TextServer {
  if (owner === 'llamacpp' || owner === 'vllm') return owner;
  return owner === 'library' ? 'ollama' : 'other';
}
