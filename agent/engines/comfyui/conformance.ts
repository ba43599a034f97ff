/**
 * What the driver relies on of a ComfyUI, as checks that any server can be put to: a real one by
 * `dev/verify-engines.ts`, the tests' double by its own test. They need no model and no GPU; the
 * last ones run a job of a model where one is offered. Files of theirs stay in output/tessera.
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert } from '#schema/assert.ts';
import type { ImageSpec } from '#schema/job.ts';
import { findModel } from '#schema/model.ts';
import { createComfyui } from '../comfyui.ts';
import type { ComfyuiOptions } from '../comfyui.ts';
import type { Engine, RunContext } from '../engine.ts';
import { Execution } from './execution.ts';
import { ComfyFailure, fromException } from './failure.ts';
import { endOf, filesOf } from './frame.ts';
import type { HistoryEntry } from './frame.ts';
import { PACE } from './limits.ts';
import { ComfyServer } from './server.ts';
import type { Graph } from './server.ts';
import { ComfySocket } from './socket.ts';

/** A claim about a server; rejects when it does not hold, answers why it could not be tried. */
export interface Check {
  readonly claim: string;
  readonly run: (bench: ComfyuiBench) => Promise<string | void>;
}

const JOB_MS_MAX = 15 * 60_000;
const SIDE_PX = 128;
const STEPS = 3;
const never = new AbortController().signal;

/** A server under check, and the driver's parts around it. */
export class ComfyuiBench {
  readonly server: ComfyServer;
  readonly #options: ComfyuiOptions;
  readonly #socket: ComfySocket;
  readonly #clientId = randomUUID();
  engine!: Engine;
  directory = '';
  /** Models that the server offers. */
  models: readonly string[] = [];

  constructor(options: ComfyuiOptions) {
    this.#options = options;
    const { url } = options;
    this.server = new ComfyServer(url, { ...PACE, ...options.pace });
    const { dispatcher } = this.server;
    const onClosed = (): void => {};
    this.#socket = new ComfySocket({ url, clientId: this.#clientId, dispatcher, onClosed });
  }

  async open(): Promise<void> {
    this.engine = await createComfyui(this.#options);
    this.directory = await mkdtemp(join(tmpdir(), 'comfyui-'));
  }

  async close(): Promise<void> {
    this.#socket.close();
    await this.engine.close();
    await this.server.close();
    await rm(this.directory, { recursive: true, force: true });
  }

  /** Runs a graph to its end. */
  execute(graph: Graph, promptId: string = randomUUID()): Promise<HistoryEntry> {
    const pace = { ...PACE, ...this.#options.pace };
    const parts = { server: this.server, socket: this.#socket, clientId: this.#clientId, pace };
    const order = { graph, promptId, signal: AbortSignal.timeout(JOB_MS_MAX), onEvent: () => {} };
    return new Execution(parts, order).run();
  }

  context(signal: AbortSignal, onStep: (step: number) => void = () => {}): RunContext {
    return {
      signal,
      directory: this.directory,
      openInput: () => Promise.reject(new Error('the job brings no file')),
      onProgress: ({ step }) => onStep(step ?? 0),
      onPreview: () => {},
      onText: () => {},
    };
  }

  /** A small job of the first picture model that is offered; null when there is none. */
  job(): ImageSpec | null {
    const model = this.models.map((id) => findModel(id)).find((one) => one?.type === 'image');
    if (!model) return null;
    return {
      ...{ type: 'image', model: model.id, prompt: 'a grey stone', negative_prompt: '' },
      ...{ width: SIDE_PX, height: SIDE_PX, steps: STEPS, guidance: model.guidance },
      ...{ seed: Math.floor(performance.now()), count: 1, input_image: null, mask: null },
      ...{ strength: 0.6, loras: [], upscale: 1 },
    };
  }
}

/** A plain picture, kept under a prefix. */
function plain(prefix: string, color = 0x33_66_99): Graph {
  return {
    empty: {
      class_type: 'EmptyImage',
      inputs: { width: 32, height: 32, batch_size: 1, color },
    },
    save: { class_type: 'SaveImage', inputs: { images: ['empty', 0], filename_prefix: prefix } },
  };
}

function nameIn(entry: HistoryEntry): string {
  const [file] = filesOf(entry, 'save');
  assert(file, 'the history names a kept file');
  return file.filename;
}

async function failureOf(run: Promise<unknown>): Promise<ComfyFailure> {
  const error = await run.then(
    () => null,
    (reason: unknown) => reason,
  );
  assert(error instanceof ComfyFailure, `it fails, and the driver knows how: ${String(error)}`);
  return error;
}

/** In this order: the first finds the models that the last need. */
export const COMFYUI_CHECKS: readonly Check[] = [
  {
    claim: 'it is found, with a version, and says which models it could run',
    run: async (bench) => {
      const info = await bench.engine.discover(AbortSignal.timeout(PACE.callMs));
      assert(info, 'a server answers');
      bench.models = info.models;
      return info.models.length > 0 ? undefined : 'no workflow finds its files here';
    },
  },
  {
    claim: 'it knows nothing of a prompt that it was never given, and cancelling one is harmless',
    run: async ({ server }) => {
      const id = randomUUID();
      assert((await server.history(id, never)) === null, 'no history');
      assert((await server.whereIs(id, never)) === 'nowhere', 'not in the queue');
      await server.cancel(id, never);
    },
  },
  {
    claim: 'it runs a graph under our own id and names the file that it kept',
    run: async ({ server, directory }) => {
      const id = randomUUID();
      const { status, answer } = await server.submit(
        { graph: plain(`tessera/${id}`), promptId: id, clientId: id },
        never,
      );
      assert(status === 200 && answer?.prompt_id === id, 'the id is the one we chose');
      let entry: HistoryEntry | null = null;
      while (!entry) entry = await server.history(id, AbortSignal.timeout(PACE.callMs));
      assert(endOf(entry).how === 'success', 'the history tells of a success');
      const [file] = filesOf(entry, 'save');
      const path = join(directory, 'plain.png');
      assert(file && ((await server.view(file, path, never)) ?? 0) > 0, 'the file can be had');
      assert((await readFile(path)).subarray(1, 4).toString() === 'PNG', 'it is a PNG');
    },
  },
  {
    claim: 'it answers an equal graph from its cache, and another prefix makes another file',
    run: async (bench) => {
      const color = Math.floor(performance.now()) % 0xff_ff_ff;
      const prefix = `tessera/${randomUUID()}`;
      const first = nameIn(await bench.execute(plain(prefix, color)));
      const equal = nameIn(await bench.execute(plain(prefix, color)));
      assert(equal === first, 'the old file is named again');
      const other = await bench.execute(plain(`tessera/${randomUUID()}`, color));
      assert(nameIn(other) !== first, 'a prefix of its own gives a file of its own');
    },
  },
  {
    claim: 'it refuses an unknown node, which the driver takes as a model for another box',
    run: async (bench) => {
      const graph = { ...plain('tessera/x'), odd: { class_type: 'NoSuchNode', inputs: {} } };
      const { code, retryable } = await failureOf(bench.execute(graph));
      assert(code === 'model_unavailable' && retryable, `not ${code}`);
    },
  },
  {
    claim: 'it accepts a graph that is valid in part, which the driver refuses and stops',
    run: async (bench) => {
      const id = randomUUID();
      const bad = { class_type: 'SaveImage', inputs: { filename_prefix: 'tessera/bad' } };
      const run = bench.execute({ ...plain(`tessera/${id}`), bad }, id);
      const { code, retryable } = await failureOf(run);
      assert(code === 'engine_rejected' && !retryable, `not ${code}`);
      assert((await bench.server.whereIs(id, never)) === 'nowhere', 'nothing of it goes on');
    },
  },
  {
    claim: 'it tells a picture that cannot be read by an exception that the driver knows',
    run: async (bench) => {
      const file = { bytes: Buffer.from('no picture'), name: `tessera-${randomUUID()}.png` };
      const image = await bench.server.upload(file, never);
      const load = { class_type: 'LoadImage', inputs: { image } };
      const save = {
        class_type: 'SaveImage',
        inputs: { images: ['load', 0], filename_prefix: 'tessera/x' },
      };
      const end = endOf(await bench.execute({ load, save }));
      assert(end.how === 'error', 'the history tells of an error');
      const { code } = fromException(end.exception);
      assert(code === 'input_unreadable', `${end.exception.exception_type} is taken as ${code}`);
    },
  },
  {
    claim: 'it gives its memory back when it is told to, and goes on',
    run: async (bench) => {
      await bench.engine.free();
      assert(nameIn(await bench.execute(plain(`tessera/${randomUUID()}`))), 'it runs on');
    },
  },
  {
    claim: 'it runs a picture job with progress by step, and the result has no metadata',
    run: async (bench) => {
      const spec = bench.job();
      if (!spec) return 'no picture model is offered';
      const steps = new Set<number>();
      const context = bench.context(AbortSignal.timeout(JOB_MS_MAX), (step) => steps.add(step));
      const { outputs } = await bench.engine.run(spec, context);
      assert(outputs[0]?.width === SIDE_PX, 'a picture of the size that was asked for');
      assert(steps.has(1) && steps.has(STEPS), 'the first and the last step were told');
      assert(!(await readFile(outputs[0].path)).includes('tEXt'), 'no text in the picture');
    },
  },
  {
    claim: 'it stops a running job, and runs the next',
    run: async (bench) => {
      const spec = bench.job();
      if (!spec) return 'no picture model is offered';
      const abort = new AbortController();
      const reason = new Error('cancelled');
      const context = bench.context(abort.signal, (step) => step > 0 && abort.abort(reason));
      const end: unknown = await bench.engine
        .run({ ...spec, steps: 20 }, context)
        .catch((error: unknown) => error);
      assert(end === reason, `it ends with the reason: ${String(end)}`);
      await bench.execute(plain(`tessera/${randomUUID()}`));
    },
  },
];
