/**
 * Text by KoboldCPP (github.com/LostRuins/koboldcpp), a running one. With its admin API on, it
 * loads the model that a job wants and unloads it when another engine needs the GPU; without, it
 * runs what it has. It answers failures with success: an empty answer is a failure here.
 */
import { z } from 'zod';
import type { ModelId } from '#schema/model.ts';
import type { JobSpec, TextSpec } from '#schema/job.ts';
import type { Engine, EngineInfo, RunContext, RunResult } from './engine.ts';
import { generate, kobTokenizer } from './koboldcpp/generate.ts';
import { INACTIVE, Library, parseTarget, UNLOAD } from './koboldcpp/library.ts';
import type { Target } from './koboldcpp/library.ts';
import { fitSpec } from './openai-text.ts';
import { estimateTokens, writeAnswer } from './openai-text/answer.ts';
import type { Answer } from './openai-text/answer.ts';
import { describeDropped } from './openai-text/context.ts';
import type { Fit } from './openai-text/context.ts';
import type { Tokenizer } from './openai-text/tokenizer.ts';
import { ServerClient } from './server/client.ts';
import { freeQuietly, Teller, wrongType } from './server/engine.ts';
import type { ServerOptions } from './server/engine.ts';
import { lacking, refused } from './server/fault.ts';

const USUAL = 'chat';
/** What it was started with, among the options of its admin API. */
const INITIAL = 'initial_model';

const Version = z.object({ result: z.literal('KoboldCpp'), version: z.string() });

/** What the operator wrote; without a word of his, whatever the server was started with. */
const AS_STARTED: Target = { file: INITIAL, name: null };

class Koboldcpp implements Engine {
  readonly name = 'koboldcpp';
  readonly #client: ServerClient;
  readonly #library: Library;
  readonly #teller: Teller;
  readonly #targets: ReadonlyMap<ModelId, Target>;
  /** What is wrong with the list itself. */
  readonly #faults: readonly string[];
  #info: EngineInfo | null = null;
  /** The name of what is loaded; null when it is kept secret. */
  #loaded: string | null = INACTIVE;
  readonly #say: ServerOptions['say'];
  #canSwap = false;

  constructor({ settings, say, after, now }: ServerOptions) {
    this.#client = new ServerClient({ ...settings, after });
    this.#library = new Library(this.#client, settings.adminKey, now);
    this.#say = say;
    this.#teller = new Teller(say);
    const targets = new Map<ModelId, Target>();
    const faults: string[] = [];
    for (const [id, written] of settings.models) {
      const target = parseTarget(written);
      if (target) targets.set(id, target);
      else faults.push(`${id}=${written}: write ${written}:NAME, the name of the model it loads`);
    }
    this.#targets = settings.models.size > 0 ? targets : new Map([[USUAL, AS_STARTED]]);
    this.#faults = faults;
  }

  async discover(signal: AbortSignal): Promise<EngineInfo | null> {
    try {
      return await this.#discover(signal);
    } catch (error) {
      // What does not answer any more holds nothing.
      this.#loaded = INACTIVE;
      throw error;
    }
  }

  async #discover(signal: AbortSignal): Promise<EngineInfo | null> {
    // It is silent while it swaps, and will be as it was.
    if (this.#library.swapping) return this.#info;
    const answer = await this.#client.json('/api/extra/version', { signal });
    const version = Version.safeParse(answer);
    if (!version.success) {
      this.#teller.tell(['the server at this address is no KoboldCPP']);
      return null;
    }
    // A wrong key is found out here, not by the first job.
    const count = this.#client.json('/api/extra/tokencount', { json: { prompt: 'a' }, signal });
    await this.#teller.watching(count);
    this.#loaded = await this.#library.loaded(signal);
    const options = await this.#library.options(signal);
    this.#canSwap = this.#loaded !== null && options.includes(UNLOAD);
    const missing: string[] = [];
    const models = [...this.#targets].flatMap(([id, target]) => {
      const { file, name } = target;
      if (this.#holds(target)) return [id];
      const fault = file === null ? null : this.#library.faults.reasonOf(file);
      if (fault !== null) {
        missing.push(`${id} is left out for a while: ${fault}`);
        return [];
      }
      if (this.#canSwap && file !== null && options.includes(file)) return [id];
      missing.push(`KoboldCPP has not loaded ${name ?? 'any model'}, and cannot load it for ${id}`);
      return [];
    });
    this.#teller.tell([...this.#faults, ...missing]);
    this.#info = { version: version.data.version, models };
    return this.#info;
  }

  resident(): readonly ModelId[] {
    return [...this.#targets].flatMap(([id, target]) => (this.#holds(target) ? [id] : []));
  }

  async run(spec: JobSpec, context: RunContext): Promise<RunResult> {
    context.signal.throwIfAborted();
    if (spec.type !== 'text') throw wrongType('KoboldCPP', spec.type);
    if (spec.json) throw refused('KoboldCPP is not kept to JSON: leave out json');
    const { signal } = context;
    const loadMs = await this.#ensure(spec, context);
    const tokenizer = await kobTokenizer(this.#client, signal);
    const fit = await fitSpec(spec, tokenizer, signal);
    const { contextTokens } = tokenizer;
    const answer = await generate({ client: this.#client, spec, fit, contextTokens, context });
    const note = fit.dropped > 0 ? describeDropped(fit.dropped, contextTokens) : null;
    return {
      outputs: await writeAnswer(answer, note, context.directory),
      usage: await this.#usageOf({ answer, fit, tokenizer }, signal),
      loadMs,
    };
  }

  trouble(): string | null {
    return this.#library.faults.trouble;
  }

  async free(): Promise<void> {
    const onGone = () => {
      this.#loaded = INACTIVE;
    };
    await freeQuietly(() => this.#free(), { say: this.#say, onGone });
  }

  async #free(): Promise<void> {
    const { signal } = new AbortController();
    await this.#library.settled(signal);
    if (!this.#canSwap || this.#loaded === INACTIVE) return;
    await this.#library.load(UNLOAD, (name) => name === INACTIVE, signal);
    this.#loaded = INACTIVE;
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  /** Whether what is loaded is what this one means. */
  #holds({ name }: Target): boolean {
    if (this.#loaded === INACTIVE) return false;
    // A server with a password keeps its model's name to itself.
    return name === null || this.#loaded === name;
  }

  /** Has the job's model loaded; answers how long that took, ms. */
  async #ensure(spec: TextSpec, context: RunContext): Promise<number> {
    const { signal } = context;
    const target = this.#targets.get(spec.model);
    if (!target) throw lacking(`KoboldCPP has no model for ${spec.model}`);
    await this.#library.settled(signal);
    this.#loaded = await this.#library.loaded(signal);
    if (this.#holds(target)) return 0;
    const { file, name } = target;
    if (!this.#canSwap || file === null) {
      throw lacking(`KoboldCPP has loaded ${this.#loaded}, not ${name ?? 'a model'}`);
    }
    const fault = this.#library.faults.reasonOf(file);
    if (fault !== null) throw lacking(fault);
    context.onProgress({ fraction: 0, stage: 'loading', step: null, steps: null });
    const startedAt = performance.now();
    this.#loaded = INACTIVE;
    const isWanted = (other: string) => other !== INACTIVE && (name === null || other === name);
    await this.#library.load(file, isWanted, signal);
    this.#loaded = await this.#library.loaded(signal);
    return performance.now() - startedAt;
  }

  async #usageOf(
    of: { readonly answer: Answer; readonly fit: Fit; readonly tokenizer: Tokenizer },
    signal: AbortSignal,
  ): Promise<RunResult['usage']> {
    const { answer, fit, tokenizer } = of;
    const promptTokens = answer.promptTokens ?? fit.promptTokens;
    let { completionTokens } = answer;
    try {
      completionTokens ??= await tokenizer.countText(answer.text, signal);
    } catch {
      // The answer is there: an estimate of its length will do.
      completionTokens = estimateTokens(answer, fit.maxTokens);
    }
    return { promptTokens, completionTokens: Math.min(completionTokens, fit.maxTokens) };
  }
}

/** The engine of the text models that a KoboldCPP has. */
export function createKoboldcpp(options: ServerOptions): Engine {
  return new Koboldcpp(options);
}
