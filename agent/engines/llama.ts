/**
 * Text by a small language model on the processor, with no server: llama.cpp in a child process,
 * by the optional package node-llama-cpp. A model that is named by its address is downloaded once
 * and announced when it is whole. What a conversation loses, how an answer is cut and counted, is
 * as with the text servers.
 */
import { access } from 'node:fs/promises';
import type { JobSpec, TextSpec } from '#schema/job.ts';
import { Child } from './child.ts';
import type { ChildOptions } from './child.ts';
import type { Engine, EngineInfo, RunContext, RunResult } from './engine.ts';
import { EngineError } from './engine.ts';
import { findPackage } from './llama/binding.ts';
import type { LlamaEvent, LlamaRequest, LlamaResult } from './llama/child.ts';
import { barOf, download, isThere, WrongFile } from './llama/download.ts';
import type { LlamaSettings } from './llama/settings.ts';
import { fitSpec } from './openai-text.ts';
import { estimateTokens, readAnswer, writeAnswer } from './openai-text/answer.ts';
import type { TextEvent } from './openai-text/answer.ts';
import { LoadFaults } from './load-fault.ts';
import { describeDropped } from './openai-text/context.ts';
import type { Fit } from './openai-text/context.ts';
import type { Tokenizer } from './openai-text/tokenizer.ts';
import { wrongType } from './server/engine.ts';
import { afterReal } from './server/watch.ts';

const MODEL = 'chat-small';
/** Counts changes of how the model is asked. */
const VERSION = '1';
/** A download says how far it is this often, of the whole. */
const NEWS_SHARE = 0.1;

type LlamaChild = Child<LlamaRequest, LlamaEvent, LlamaResult>;
type Work = LlamaRequest extends infer R ? (R extends unknown ? Omit<R, 'place'> : never) : never;

export interface LlamaOptions extends ChildOptions {
  readonly settings: LlamaSettings;
  /** Milliseconds of any origin; given in tests. */
  readonly now?: () => number;
}

class Llama implements Engine {
  readonly name = 'llama';
  readonly #settings: LlamaSettings;
  readonly #say: (words: string) => void;
  readonly #child: LlamaChild;
  readonly #closing = new AbortController();
  readonly #faults: LoadFaults;
  #package: string | null = null;
  #download: Promise<void> | null = null;
  /** Gigabytes for nothing, each minute anew: not before the settings are read again. */
  #isWrong = false;
  /** What the last download failed by. */
  #fault = '';

  constructor({ settings, ...options }: LlamaOptions) {
    this.#settings = settings;
    this.#say = options.say ?? (() => {});
    this.#faults = new LoadFaults(options.now);
    this.#child = new Child(new URL('./llama/child.ts', import.meta.url), options);
  }

  async discover(): Promise<EngineInfo | null> {
    const { path, home, source } = this.#settings;
    try {
      this.#package ??= findPackage(home);
    } catch {
      // Not installed: this engine cannot run here.
      return null;
    }
    if (source && !(await isThere(path))) {
      this.#fetch(source);
      return null;
    }
    try {
      await access(path);
    } catch {
      // A path that leads nowhere.
      return null;
    }
    return { version: VERSION, models: this.#faults.reasonOf(path) === null ? [MODEL] : [] };
  }

  trouble(): string | null {
    return this.#faults.trouble;
  }

  resident(): readonly string[] {
    return this.#child.warm ? [MODEL] : [];
  }

  async run(spec: JobSpec, context: RunContext): Promise<RunResult> {
    const { signal, directory } = context;
    signal.throwIfAborted();
    if (spec.type !== 'text') throw wrongType('the embedded model', spec.type);
    if (!this.#child.warm)
      context.onProgress({ fraction: 0, stage: 'loading', step: null, steps: null });
    const startedAt = performance.now();
    const wasWarm = this.#child.warm;
    const tokenizer = await this.#tokenizer(signal);
    const loadMs = wasWarm ? 0 : Math.round(performance.now() - startedAt);
    const fit = await fitSpec(spec, tokenizer, signal);
    const open = () => this.#write(spec, fit, signal);
    const answer = await readAnswer({
      spec,
      context,
      maxTokens: fit.maxTokens,
      after: afterReal,
      open,
    });
    const counted = await tokenizer.countText(answer.text, signal);
    const note = fit.dropped > 0 ? describeDropped(fit.dropped, tokenizer.contextTokens) : null;
    const completionTokens = Math.min(
      fit.maxTokens,
      Math.max(1, counted, estimateTokens(answer, fit.maxTokens)),
    );
    return {
      outputs: await writeAnswer(answer, note, directory),
      usage: { promptTokens: fit.promptTokens, completionTokens },
      loadMs,
    };
  }

  free(): Promise<void> {
    return this.#child.stop();
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('the agent stops'));
    await this.#download;
    await this.#child.stop();
  }

  async #ask(
    work: Work,
    { signal, onEvent = () => {} }: { signal: AbortSignal; onEvent?: (event: LlamaEvent) => void },
  ): Promise<LlamaResult> {
    const { path, threads, contextTokensMax, home } = this.#settings;
    const fault = this.#faults.reasonOf(path);
    if (fault !== null) throw toMissing(fault);
    this.#package ??= findPackage(home);
    const place = { package: this.#package, model: path, threads, contextTokensMax };
    const request = { place, ...work } as LlamaRequest;
    try {
      const { result } = await this.#child.run(request, { signal, onEvent });
      this.#faults.forgive(path);
      return result;
    } catch (error) {
      if (!isLoadFault(error)) throw error;
      this.#faults.note(path, error.message);
      throw toMissing(error.message);
    }
  }

  async #tokenizer(signal: AbortSignal): Promise<Tokenizer> {
    const { contextTokens } = await this.#ask({ do: 'measure', text: '' }, { signal });
    return {
      contextTokens,
      countText: async (text, at) =>
        (await this.#ask({ do: 'measure', text }, { signal: at })).tokens,
      count: async (messages, at) =>
        (await this.#ask({ do: 'measure', messages }, { signal: at })).tokens,
    };
  }

  /** The pieces of an answer as they come; who stops reading, ends it. */
  async *#write(spec: TextSpec, fit: Fit, signal: AbortSignal): AsyncGenerator<TextEvent> {
    const pieces: string[] = [];
    let news = Promise.withResolvers<void>();
    const onEvent = ({ text }: LlamaEvent): void => {
      pieces.push(text);
      news.resolve();
    };
    const work: Work = {
      do: 'write',
      messages: fit.messages,
      prompt: spec.prompt,
      maxTokens: fit.maxTokens,
      temperature: spec.temperature,
      topP: spec.top_p,
      seed: spec.seed,
    };
    let result: LlamaResult | null = null;
    const over = this.#ask(work, { signal, onEvent }).then((ended) => {
      result = ended;
    });
    // Met again below; without this it would count as unhandled while pieces are read.
    over.catch(() => news.resolve()).finally(() => news.resolve());
    try {
      while (result === null) {
        await Promise.race([news.promise, over]);
        news = Promise.withResolvers<void>();
        for (const text of pieces.splice(0)) yield { kind: 'text', text };
      }
      await over;
      for (const text of pieces.splice(0)) yield { kind: 'text', text };
      yield { kind: 'finish', reason: (result as LlamaResult).finish };
    } finally {
      if (result === null && !signal.aborted) this.#child.drop(0);
      await over.catch(() => undefined);
    }
  }

  #fetch(source: NonNullable<LlamaSettings['source']>): void {
    if (this.#download || this.#isWrong) return;
    const { path } = this.#settings;
    let told = 0;
    const onProgress = (bytes: number, total: number | null): void => {
      const share = total === null ? 0 : bytes / total;
      if (share < told + NEWS_SHARE) return;
      told = share;
      this.#say(`downloads its model: ${barOf(bytes, total)}`);
    };
    this.#download = download({ ...source, path, onProgress, signal: this.#closing.signal })
      .catch((error: unknown) => {
        this.#isWrong = error instanceof WrongFile;
        const words = (error as Error).message;
        // Tried again each minute: once is enough to be told.
        if (words !== this.#fault) this.#say(`the model could not be downloaded: ${words}`);
        this.#fault = words;
      })
      // The next look tries again, and goes on where this one ended.
      .finally(() => {
        this.#download = null;
      });
  }
}

/** What the package says of a file that is no model, or not whole. */
function isLoadFault(error: unknown): error is EngineError {
  return error instanceof EngineError && /failed to load model|gguf/i.test(error.message);
}

function toMissing(detail: string): EngineError {
  return new EngineError({ code: 'model_unavailable', retryable: true, detail });
}

/** The engine of the model `chat-small`. */
export function createLlama(options: LlamaOptions): Engine {
  return new Llama(options);
}
