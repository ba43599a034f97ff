/**
 * node-llama-cpp in small, as a package that the engine's process loads: tokens are words, the
 * model counts on and on. A file that does not begin as a GGUF does is refused.
 */
import { readFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import type {
  Chat,
  ChatItem,
  Completion,
  LlamaPackage,
  Model,
  Sequence,
} from '../llama/binding.ts';

type Options = Parameters<Chat['generateResponse']>[1];

const CONTEXT_TOKENS = 200;

const tokenizer: Model['tokenizer'] = (text) => text.split(/\s+/).filter((word) => word !== '');

async function count(from: string, { onTextChunk, signal, maxTokens, seed }: Options) {
  onTextChunk(`${from} ${seed}:`);
  for (let token = 1; token < maxTokens; token++) {
    await setImmediate();
    if (signal.aborted) return { metadata: { stopReason: 'abort' } };
    onTextChunk(` ${token}`);
  }
  return { metadata: { stopReason: 'maxTokens' } };
}

function textOf(history: readonly ChatItem[]): string {
  const words = history.map((item) =>
    item.type === 'model' ? `model ${item.response.join(' ')}` : `${item.type} ${item.text}`,
  );
  return words.join(' ').trim();
}

export const getLlama: LlamaPackage['getLlama'] = () =>
  Promise.resolve({
    loadModel: ({ modelPath }) => {
      const head = readFileSync(modelPath).subarray(0, 4).toString();
      if (head !== 'GGUF') return Promise.reject(new Error('Failed to load model'));
      const sequence: Sequence = { clearHistory: () => Promise.resolve() };
      return Promise.resolve({
        tokenizer,
        trainContextSize: CONTEXT_TOKENS,
        createContext: ({ contextSize }) =>
          Promise.resolve({ contextSize, getSequence: () => sequence }),
      });
    },
  });

export class LlamaChat implements Chat {
  readonly chatWrapper: Chat['chatWrapper'] = {
    generateContextState: ({ chatHistory }) => ({
      contextText: { tokenize: (tokenize) => tokenize(textOf(chatHistory)) },
    }),
  };

  generateResponse(history: readonly ChatItem[], options: Options) {
    return count(textOf(history.slice(-2, -1)), options);
  }
}

export class LlamaCompletion implements Completion {
  generateCompletionWithMeta(prompt: string, options: Options) {
    return count(prompt, options);
  }
}
