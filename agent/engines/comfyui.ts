/**
 * Pictures, videos and music by a ComfyUI server that is already running. What it can run is what
 * its workflow files (agent/engines/comfyui/workflows, and the operator's own folder) find
 * installed there. One prompt at a time, under an id and a file prefix of its own. The server may
 * crash, be restarted or be busy with others at any moment; each ends in one code of the protocol.
 * It keeps the files it made in output/tessera: nothing in its interface removes them.
 */
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { ModelId } from '#schema/model.ts';
import type { JobSpec } from '#schema/job.ts';
import { BUNDLE } from '../bundle.ts';
import { Discovery } from './comfyui/discovery.ts';
import { Execution } from './comfyui/execution.ts';
import { ComfyFailure, ends, fromException } from './comfyui/failure.ts';
import type { Offer } from './comfyui/fit.ts';
import { endOf } from './comfyui/frame.ts';
import type { HistoryEntry } from './comfyui/frame.ts';
import { fillGraph, isMedia, sizeOf, taskOf } from './comfyui/graph.ts';
import type { MediaSpec } from './comfyui/graph.ts';
import { bringInputs } from './comfyui/input.ts';
import { PACE } from './comfyui/limits.ts';
import type { Pace } from './comfyui/limits.ts';
import { Meter } from './comfyui/meter.ts';
import { Previews } from './comfyui/preview.ts';
import { collect } from './comfyui/result.ts';
import { ComfyServer, ServerAway } from './comfyui/server.ts';
import { ComfySocket } from './comfyui/socket.ts';
import { loadWorkflows, parseTemplate } from './comfyui/template.ts';
import type { Workflow } from './comfyui/template.ts';
import type { Engine, EngineInfo, RunContext, RunResult } from './engine.ts';

const OWN_WORKFLOWS = fileURLToPath(new URL('./comfyui/workflows/', import.meta.url));
/** Prefix of the files on the server, one folder for all. */
const PREFIX = 'tessera';
/** Memory that must come back before a job is run once more. */
const FREED_BYTES_MIN = 64 * 1024 * 1024;

export interface ComfyuiOptions {
  readonly url: URL;
  /** Folder of the operator's workflows; they go before ours. */
  readonly workflows?: string | null;
  readonly say?: (words: string) => void;
  readonly pace?: Partial<Pace>;
}

/** The engine of every model that the server has a workflow for. */
export async function createComfyui(options: ComfyuiOptions): Promise<Engine> {
  const say = options.say ?? (() => {});
  // Results are made fit to be seen with it; without it there are none.
  createRequire(import.meta.url).resolve('sharp');
  const folders = [options.workflows ?? [], BUNDLE ? [] : OWN_WORKFLOWS].flat();
  const workflows = await loadWorkflows(folders, say);
  for (const [name, text] of Object.entries(BUNDLE?.workflows ?? {})) {
    workflows.push(parseTemplate(name, text));
  }
  const { info, resident, run, free, close } = new Comfyui(options, workflows, say).bound();
  return { name: 'comfyui', discover: info, resident, run, free, close };
}

class Comfyui {
  readonly #pace: Pace;
  readonly #server: ComfyServer;
  readonly #socket: ComfySocket;
  readonly #clientId = randomUUID();
  readonly #discovery: Discovery;
  readonly #say: (words: string) => void;
  #execution: Execution | null = null;
  /** What the server told last while it could be asked. */
  #info: EngineInfo | null = null;
  /** The workflow's model that ran last, hence is loaded. */
  #resident: ModelId | null = null;
  /** Its process can compute nothing more. */
  #poisoned = false;

  constructor(
    options: ComfyuiOptions,
    workflows: readonly Workflow[],
    say: (words: string) => void,
  ) {
    this.#pace = { ...PACE, ...options.pace };
    this.#server = new ComfyServer(options.url, this.#pace);
    this.#say = say;
    this.#discovery = new Discovery({ workflows, say });
    this.#socket = new ComfySocket({
      url: options.url,
      clientId: this.#clientId,
      dispatcher: this.#server.dispatcher,
      onClosed: () => this.#onClosed(),
    });
  }

  /** Its verbs as functions of their own. */
  bound() {
    return {
      info: (signal: AbortSignal) => this.#discover(signal),
      resident: () => (this.#resident === null ? [] : [this.#resident]),
      run: (spec: JobSpec, context: RunContext) => this.#run(spec, context),
      free: () => this.#free(this.#resident !== null),
      close: async () => {
        this.#socket.close();
        await this.#server.close();
      },
    };
  }

  async #discover(signal: AbortSignal): Promise<EngineInfo | null> {
    // A server that computes answers slowly, and is surely there.
    if (this.#execution) return this.#info;
    this.#info = null;
    try {
      if (await this.#server.isImitation(signal)) {
        this.#say('this server is a KoboldCPP, not a ComfyUI');
        return null;
      }
      const { system } = await this.#server.stats(signal);
      // Opened here, so that a server that goes away between jobs is noticed.
      await this.#socket.ensure(signal, this.#pace.callMs);
      const models = await this.#discovery.ask(this.#server, signal);
      if (this.#poisoned) return null;
      this.#info = { version: system.comfyui_version, models };
    } catch (error) {
      if (!(error instanceof ServerAway)) throw error;
      this.#onGone();
    }
    return this.#info;
  }

  async #run(spec: JobSpec, context: RunContext): Promise<RunResult> {
    context.signal.throwIfAborted();
    if (!isMedia(spec)) throw ends.rejected(`ComfyUI runs no ${spec.type} here`);
    const offer = this.#discovery.find(spec.model, taskOf(spec));
    if (!offer) throw ends.missing(`no workflow for ${taskOf(spec)} of ${spec.model}`);
    try {
      return await this.#attempt({ spec, offer, context });
    } catch (error) {
      if (!(error instanceof ComfyFailure) || error.consequence !== 'free') throw error;
      // Memory that others held is free now, or never will be.
      this.#say(`once more after an unload: ${error.message}`);
      await this.#free(true);
      context.signal.throwIfAborted();
      return this.#attempt({ spec, offer, context });
    }
  }

  async #attempt(job: {
    readonly spec: MediaSpec;
    readonly offer: Offer;
    readonly context: RunContext;
  }): Promise<RunResult> {
    const { spec, offer, context } = job;
    const { workflow } = offer;
    const { signal, directory, openInput } = context;
    const promptId = randomUUID();
    const server = this.#server;
    const now = (): number => performance.now();
    try {
      const size = sizeOf(offer, spec);
      const parts = { server, openInput, promptId, size, signal };
      const inputs = await bringInputs(spec, parts);
      const graph = fillGraph(offer, spec, { prefix: `${PREFIX}/${promptId}`, ...inputs });
      const meter = new Meter({
        sampler: workflow.sampler,
        steps: spec.type === 'music' ? null : spec.steps,
        upscales: spec.type === 'image' && spec.upscale > 1,
        resident: this.#resident === spec.model,
        now,
        onProgress: context.onProgress,
      });
      const everyMs = this.#pace.previewMs;
      const previews = new Previews({ now, everyMs, onPreview: context.onPreview });
      const entry = await this.#execute({ graph, promptId, signal }, (event) => {
        if (signal.aborted) return;
        meter.take(event);
        if (event.kind === 'preview' && spec.type !== 'music') void previews.take(event);
      });
      const outputs = await this.#finish({ spec, workflow, entry, directory, signal });
      this.#resident = spec.model;
      const loadMs = Math.round(meter.loadMs());
      const steps = spec.type === 'music' ? {} : { steps: spec.steps };
      const [first] = outputs;
      const usage = spec.type === 'music' ? { audioS: first?.durationS ?? 0 } : steps;
      return { outputs, usage, loadMs };
    } catch (error) {
      throw this.#learn(error, job);
    }
  }

  async #execute(
    order: Pick<ConstructorParameters<typeof Execution>[1], 'graph' | 'promptId' | 'signal'>,
    onEvent: ConstructorParameters<typeof Execution>[1]['onEvent'],
  ): Promise<HistoryEntry> {
    const parts = {
      server: this.#server,
      socket: this.#socket,
      clientId: this.#clientId,
      pace: this.#pace,
    };
    this.#execution = new Execution(parts, { ...order, onEvent });
    try {
      return await this.#execution.run();
    } finally {
      this.#execution = null;
      // What a user asked for is nobody else's to read; the history is for all who can call.
      const within = AbortSignal.timeout(this.#pace.callMs);
      await this.#server.forget(order.promptId, within).catch(() => undefined);
    }
  }

  async #finish(
    making: Omit<Parameters<typeof collect>[0], 'server'>,
  ): Promise<RunResult['outputs']> {
    const end = endOf(making.entry);
    if (end.how === 'error') throw fromException(end.exception);
    if (end.how === 'interrupted') throw ends.interrupted();
    return collect({ server: this.#server, ...making });
  }

  /** What a failure says of the server as a whole; answers what the agent is told. */
  #learn(error: unknown, job: { readonly offer: Offer; readonly context: RunContext }): unknown {
    if (job.context.signal.aborted) return job.context.signal.reason;
    if (error instanceof ServerAway) {
      if (error.gone) this.#onGone();
      return ends.lost(error.message);
    }
    // A fault of ours, or of the disk: told as what it is, and not the user's.
    if (!(error instanceof ComfyFailure)) return ends.spoilt(String(error));
    const { name } = job.offer.workflow;
    switch (error.consequence) {
      case 'none':
        break;
      case 'free':
        this.#resident = null;
        break;
      case 'poisoned':
        this.#poisoned = true;
        this.#info = null;
        this.#say('its GPU context is broken: start ComfyUI again');
        break;
      case 'damaged':
        this.#discovery.markDamaged(name);
        this.#say(`a model file of ${name} is damaged: replace it, then start ComfyUI again`);
        break;
    }
    return error;
  }

  /** Gives all memory back, and waits until that shows or cannot be waited for longer. */
  async #free(loaded: boolean): Promise<void> {
    this.#resident = null;
    const within = AbortSignal.timeout(this.#pace.freeMs);
    try {
      const before = await this.#vramFree(within);
      await this.#server.free(within);
      while (loaded && before !== null && !within.aborted) {
        const after = await this.#vramFree(within);
        if (after === null || after - before >= FREED_BYTES_MIN) return;
        await delay(this.#pace.pollMs, within);
      }
    } catch (error) {
      // One that is not there holds no memory.
      if (!(error instanceof ServerAway) && !within.aborted) throw error;
    }
  }

  /** Null on a server without a GPU. */
  async #vramFree(signal: AbortSignal): Promise<number | null> {
    const { devices } = await this.#server.stats(signal);
    const [device] = devices;
    return device && device.type !== 'cpu' ? device.vram_free : null;
  }

  #onClosed(): void {
    this.#execution?.drop();
    this.#onGone();
  }

  /** Whatever was loaded, broken or damaged may be so no more. */
  #onGone(): void {
    this.#resident = null;
    this.#poisoned = false;
    this.#discovery.forgive();
  }
}

async function delay(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  signal.addEventListener('abort', () => resolve(), { once: true });
  await promise;
  clearTimeout(timer);
}
