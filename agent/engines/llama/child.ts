/**
 * The process of the embedded language model: holds a GGUF in memory, counts tokens by its
 * tokenizer and chat template, and writes one answer at a time, telling each piece.
 */
import { availableParallelism } from 'node:os';
import { pathToFileURL } from 'node:url';
import { assert } from '#schema/assert.ts';
import type { Message } from '../openai-text/context.ts';
import { serve } from '../serve.ts';
import type { Chat, ChatItem, Completion, LlamaPackage, Model, Sequence } from './binding.ts';

interface Place {
  /** Where the package's code is. */
  readonly package: string;
  readonly model: string;
  readonly threads: number | null;
  readonly contextTokensMax: number;
}

export type LlamaRequest = { readonly place: Place } & (
  | { readonly do: 'measure'; readonly messages: readonly Message[] }
  | { readonly do: 'measure'; readonly text: string }
  | {
      readonly do: 'write';
      readonly messages: readonly Message[];
      readonly prompt: string | null;
      readonly maxTokens: number;
      readonly temperature: number;
      readonly topP: number;
      readonly seed: number;
    }
);

export interface LlamaEvent {
  readonly text: string;
}

export interface LlamaResult {
  readonly contextTokens: number;
  /** Of what was measured. */
  readonly tokens: number;
  readonly finish: 'stop' | 'length';
}

type Writing = Extract<LlamaRequest, { do: 'write' }>;

interface Loaded {
  readonly model: Model;
  readonly sequence: Sequence;
  readonly chat: Chat;
  readonly completion: Completion;
  readonly contextTokens: number;
}

/** llama.cpp's threads wait for each other busily: on few cores, more than one is far slower. */
const CORES_FEW = 2;
const THREADS_USUAL_MAX = 8;
/** How often it is looked whether the answer is still wanted, ms. */
const LOOK_MS = 20;
/** A smaller seed range than ours. */
const SEEDS = 2 ** 32;

let loaded: Loaded | null = null;

async function load(place: Place): Promise<Loaded> {
  const cores = availableParallelism();
  const threads =
    place.threads ?? (cores <= CORES_FEW ? 1 : Math.min(THREADS_USUAL_MAX, cores - 1));
  const code = (await import(pathToFileURL(place.package).href)) as LlamaPackage;
  const llama = await code.getLlama({
    gpu: false,
    build: 'never',
    maxThreads: threads,
    progressLogs: false,
    logLevel: 'error',
  });
  const model = await llama.loadModel({ modelPath: place.model });
  const contextSize = Math.min(place.contextTokensMax, model.trainContextSize);
  const context = await model.createContext({ contextSize, threads });
  const sequence = context.getSequence();
  return {
    model,
    sequence,
    chat: new code.LlamaChat({ contextSequence: sequence }),
    completion: new code.LlamaCompletion({ contextSequence: sequence }),
    contextTokens: context.contextSize,
  };
}

function toHistory(messages: readonly Message[]): ChatItem[] {
  return messages.map(({ role, content }) =>
    role === 'assistant' ? { type: 'model', response: [content] } : { type: role, text: content },
  );
}

function measure(
  request: Extract<LlamaRequest, { do: 'measure' }>,
  { model, chat }: Loaded,
): number {
  if ('text' in request) return model.tokenizer(request.text).length;
  const history = [...toHistory(request.messages), { type: 'model', response: [] } as const];
  const { contextText } = chat.chatWrapper.generateContextState({ chatHistory: history });
  return contextText.tokenize(model.tokenizer).length;
}

async function write(
  request: Writing,
  tell: (text: string) => void,
  isWanted: () => boolean,
): Promise<'stop' | 'length'> {
  assert(loaded, 'the model is loaded before it writes');
  const { sequence, chat, completion } = loaded;
  const abort = new AbortController();
  const look = setInterval(() => {
    if (!isWanted()) abort.abort();
  }, LOOK_MS);
  const options = {
    onTextChunk: tell,
    signal: abort.signal,
    stopOnAbortSignal: true,
    maxTokens: request.maxTokens,
    temperature: request.temperature,
    topP: request.topP,
    seed: request.seed % SEEDS,
  } as const;
  try {
    // The same job gives the same answer, whatever came before it.
    await sequence.clearHistory();
    const { metadata } =
      request.prompt === null
        ? await chat.generateResponse(
            [...toHistory(request.messages), { type: 'model', response: [] }],
            options,
          )
        : await completion.generateCompletionWithMeta(request.prompt, options);
    return metadata.stopReason === 'maxTokens' ? 'length' : 'stop';
  } finally {
    clearInterval(look);
  }
}

serve<LlamaRequest, LlamaEvent, LlamaResult>({
  load: () => Promise.resolve(),
  handle: async (request, emit, isDropped) => {
    loaded ??= await load(request.place);
    const { contextTokens } = loaded;
    if (request.do === 'measure') {
      return { contextTokens, tokens: measure(request, loaded), finish: 'stop' };
    }
    const tell = (text: string): void => void emit({ text });
    const finish = await write(request, tell, () => !isDropped(0));
    return { contextTokens, tokens: 0, finish };
  },
});
