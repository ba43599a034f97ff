/**
 * What we use of node-llama-cpp (https://node-llama-cpp.withcat.ai), version 3: an optional
 * package, since it is large; hence its types are told here. Where it is installed, the operator
 * may say.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';

export type ChatItem =
  | { readonly type: 'system' | 'user'; readonly text: string }
  | { readonly type: 'model'; readonly response: readonly string[] };

interface GenerateOptions {
  readonly onTextChunk: (text: string) => void;
  readonly signal: AbortSignal;
  /** What was written up to an abort is kept, instead of a rejection. */
  readonly stopOnAbortSignal: true;
  readonly maxTokens: number;
  readonly temperature: number;
  readonly topP: number;
  readonly seed: number;
}

interface Generated {
  readonly metadata: { readonly stopReason: string };
}

export interface Sequence {
  clearHistory(): Promise<void>;
}

export interface Chat {
  readonly chatWrapper: {
    generateContextState(of: { readonly chatHistory: readonly ChatItem[] }): {
      readonly contextText: { tokenize(tokenizer: Tokenize): readonly unknown[] };
    };
  };
  generateResponse(history: readonly ChatItem[], options: GenerateOptions): Promise<Generated>;
}

export interface Completion {
  generateCompletionWithMeta(prompt: string, options: GenerateOptions): Promise<Generated>;
}

type Tokenize = (text: string, special?: boolean) => readonly unknown[];

export interface Model {
  readonly tokenizer: Tokenize;
  readonly trainContextSize: number;
  createContext(options: {
    readonly contextSize: number;
    readonly threads: number;
  }): Promise<{ readonly contextSize: number; getSequence(): Sequence }>;
}

export interface LlamaPackage {
  getLlama(options: {
    readonly gpu: false;
    readonly build: 'never';
    readonly maxThreads: number;
    readonly progressLogs: false;
    readonly logLevel: 'error';
  }): Promise<{ loadModel(options: { readonly modelPath: string }): Promise<Model> }>;
  readonly LlamaChat: new (of: { readonly contextSequence: Sequence }) => Chat;
  readonly LlamaCompletion: new (of: { readonly contextSequence: Sequence }) => Completion;
}

const NAME = 'node-llama-cpp';

/** Where the package's code is; throws when it is not installed. */
export function findPackage(home: string | null): string {
  return createRequire(home === null ? import.meta.url : join(home, 'package.json')).resolve(NAME);
}
