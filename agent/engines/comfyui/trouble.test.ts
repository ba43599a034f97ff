import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ImageSpec } from '#schema/job.ts';
import { createComfyui } from '../comfyui.ts';
import { ComfyDouble } from '../doubles/comfyui.ts';
import { IMAGE, PACE } from '../doubles/comfyui/fixture.ts';
import type { Engine, RunContext, RunResult } from '../engine.ts';

const never = new AbortController().signal;
let comfy: ComfyDouble;
let engine: Engine;
let directory: string;
let words: string[];
let steps: number[];

function contextOf(signal: AbortSignal = never): RunContext {
  return {
    signal,
    directory,
    openInput: () => expect.unreachable('the job brings no file'),
    onProgress: ({ step }) => steps.push(step ?? 0),
    onPreview: () => {},
    onText: () => expect.unreachable('no text is made here'),
  };
}

const run = (changes: Partial<ImageSpec> = {}, signal?: AbortSignal): Promise<RunResult> =>
  engine.run({ ...IMAGE, ...changes }, contextOf(signal));

async function open(pace: object = {}): Promise<Engine> {
  const say = (sentence: string): void => void words.push(sentence);
  const made = await createComfyui({ url: comfy.url, pace: { ...PACE, ...pace }, say });
  await made.discover(never);
  return made;
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'comfyui-'));
  words = [];
  steps = [];
  comfy = await ComfyDouble.start();
  engine = await open();
});
afterEach(async () => {
  await engine.close();
  await comfy.crash();
  await rm(directory, { recursive: true });
});

/** Resolves when the sampler stands before this step; it goes on when released. */
function holdAt(step: number): { reached: Promise<void>; release: () => void } {
  const reached = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  comfy.script.step = (at) => {
    if (at !== step) return;
    reached.resolve();
    return released.promise;
  };
  return { reached: reached.promise, release: released.resolve };
}

describe('exceptions of a node', () => {
  it.each([
    ['RuntimeError', 'something odd', 'job_failed', true],
    ['safetensors.SafetensorError', 'HeaderTooLarge', 'model_unavailable', true],
    ['_pickle.UnpicklingError', 'invalid load key', 'model_unavailable', true],
    ['FileNotFoundError', 'no such file', 'model_unavailable', false],
    ['RuntimeError', 'mat1 and mat2 shapes cannot be multiplied', 'model_unavailable', false],
    ['ExecutionBlocked', 'blocked', 'job_failed', false],
    ['RuntimeError', 'CUDA error: device-side assert triggered', 'engine_unavailable', true],
    ['RuntimeError', 'CUDA error: an illegal memory access', 'engine_unavailable', true],
    ['PIL.UnidentifiedImageError', 'cannot identify image file', 'input_unreadable', false],
  ])('maps %s "%s" to %s, retryable: %s', async (type, message, code, retryable) => {
    comfy.script.fail = (node) => (node === 'KSampler' ? { type, message } : null);
    await expect(run()).rejects.toMatchObject({ name: 'EngineError', code, retryable });
    expect(comfy.prompts).toHaveLength(1);
  });

  it.each([
    ['torch.OutOfMemoryError', 'Allocation on device'],
    ['RuntimeError', "DefaultCPUAllocator: can't allocate memory"],
    ['RuntimeError', 'CUBLAS_STATUS_ALLOC_FAILED'],
  ])('frees the memory and runs once more after %s "%s"', async (type, message) => {
    let times = 1;
    comfy.script.fail = (node) => (node === 'VAEDecode' && times-- > 0 ? { type, message } : null);
    expect((await run()).outputs).toHaveLength(1);
    expect(comfy.freed).toBe(1);
    expect(comfy.prompts).toHaveLength(2);
  });

  it('gives up a job that runs out of memory twice, as one for another box', async () => {
    comfy.script.fail = () => ({ type: 'torch.OutOfMemoryError', message: 'out of memory' });
    await expect(run()).rejects.toMatchObject({ code: 'engine_out_of_memory', retryable: true });
    expect(comfy.prompts).toHaveLength(2);
    expect(engine.resident()).toEqual([]);
  });

  it('takes no job on a broken GPU context until the process is another', async () => {
    const message = 'CUDA error: unspecified launch failure';
    comfy.script.fail = () => ({ type: 'RuntimeError', message });
    await run().catch(() => {});
    expect(await engine.discover(never)).toBeNull();
    await comfy.crash();
    delete comfy.script.fail;
    await comfy.listen();
    await engine.discover(never);
    expect((await engine.discover(never))?.models).toContain('sdxl');
  });

  it('offers a workflow with a damaged file no more, but others go on', async () => {
    comfy.script.fail = () => ({ type: 'safetensors.SafetensorError', message: 'HeaderTooLarge' });
    await run().catch(() => {});
    const models = (await engine.discover(never))?.models;
    expect(models).not.toContain('sdxl');
    expect(models).toContain('flux-dev');
  });
});

describe('refusals', () => {
  it('takes an answer of 200 with node errors as a refusal, and stops what was queued', async () => {
    const hold = holdAt(1);
    // Its poster's output stays valid when the sound of its video is not.
    comfy.intercept = (method, path) => {
      if (`${method} ${path}` !== 'POST /prompt') return undefined;
      comfy.intercept = () => undefined;
      const errors = [{ type: 'required_input_missing', message: '', details: '', extra_info: {} }];
      const node_errors = { save: { errors, class_type: 'SaveImage', dependent_outputs: [] } };
      return { status: 200, body: { prompt_id: 'x', number: 0, node_errors } };
    };
    await expect(run()).rejects.toMatchObject({ code: 'engine_rejected', retryable: false });
    expect(comfy.calls).toContain('POST /interrupt');
    hold.release();
  });

  it('sends a job elsewhere when its model file is gone since it was asked for', async () => {
    const list = comfy.rules['CheckpointLoaderSimple']!.input.required!['ckpt_name']!;
    (Array.isArray(list[0]) ? (list[0] as string[]) : []).length = 0;
    await expect(run()).rejects.toMatchObject({ code: 'model_unavailable', retryable: true });
  });

  it('sends a job elsewhere when a node is gone since it was asked for', async () => {
    delete comfy.rules['KSampler'];
    await expect(run()).rejects.toMatchObject({ code: 'model_unavailable', retryable: true });
  });

  it('takes a 500 without a word as a server that is not well', async () => {
    comfy.intercept = (_, path) => (path === '/prompt' ? { status: 500 } : undefined);
    await expect(run()).rejects.toMatchObject({ code: 'engine_unavailable', retryable: true });
  });

  it('refuses jobs of other kinds and models before the server sees them', async () => {
    await expect(run({ model: 'painter' })).rejects.toMatchObject({ code: 'model_unavailable' });
    await expect(run({ guidance: 31 })).rejects.toMatchObject({ code: 'engine_rejected' });
    expect(comfy.prompts).toHaveLength(0);
  });
});

describe('cancelling', () => {
  it('stops within the step, rejects with the reason, and leaves nothing behind', async () => {
    const hold = holdAt(3);
    const abort = new AbortController();
    const reason = new Error('cancelled');
    const end = run({ steps: 50 }, abort.signal);
    await hold.reached;
    abort.abort(reason);
    comfy.script.step = () => {};
    hold.release();
    await expect(end).rejects.toBe(reason);
    expect(comfy.worker.running).toBeNull();
    expect(steps.every((step) => step < 4)).toBe(true);
    delete comfy.script.step;
    expect((await run({ seed: 99 })).outputs).toHaveLength(1);
  });

  it('takes a waiting job out of the queue, and leaves the one of another client alone', async () => {
    const hold = holdAt(1);
    const { prompt } = await queueForeign();
    await hold.reached;
    const abort = new AbortController();
    const end = run({}, abort.signal);
    await until(() => comfy.worker.pending.length === 1);
    abort.abort(new Error('cancelled'));
    await expect(end).rejects.toThrow('cancelled');
    expect(comfy.worker.pending).toHaveLength(0);
    expect(comfy.worker.interrupted).toBe(false);
    expect(comfy.worker.running?.prompt).toEqual(prompt);
    hold.release();
  });

  it('ends well or with the reason, wherever in its life it is cancelled', async () => {
    const reason = new Error('cancelled');
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: 40 }), async (turns) => {
        const abort = new AbortController();
        const end = run({ seed: turns }, abort.signal).then(
          () => 'done',
          (error: unknown) => error,
        );
        for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
        abort.abort(reason);
        expect(['done', reason]).toContain(await end);
        await until(() => comfy.worker.running === null);
        expect(comfy.worker.pending).toHaveLength(0);
      }),
      { numRuns: 25 },
    );
  });

  it('does not begin when it is cancelled before', async () => {
    await expect(run({}, AbortSignal.abort(new Error('no')))).rejects.toThrow('no');
    expect(comfy.prompts).toHaveLength(0);
  });
});

describe('a server in trouble', () => {
  it('fails a job whose process dies, and works again when it is back', async () => {
    await run();
    const hold = holdAt(2);
    const end = run({ seed: 5 });
    end.catch(() => {});
    await hold.reached;
    await comfy.crash();
    hold.release();
    await expect(end).rejects.toMatchObject({ code: 'engine_unavailable', retryable: true });
    expect(engine.resident()).toEqual([]);
    expect(await engine.discover(never)).toBeNull();
    delete comfy.script.step;
    await comfy.listen();
    expect((await engine.discover(never))?.models).toContain('sdxl');
    expect((await run()).outputs).toHaveLength(1);
  });

  it('fails a job that a new process does not know', async () => {
    const hold = holdAt(2);
    const end = run();
    end.catch(() => {});
    await hold.reached;
    // Between two questions: the same address answers, with an empty queue and history.
    comfy.dropSockets();
    comfy.worker.die();
    hold.release();
    await expect(end).rejects.toMatchObject({ code: 'engine_unavailable', retryable: true });
  });

  it('knows that a process which died between jobs has nothing loaded', async () => {
    await run();
    expect(engine.resident()).toEqual(['sdxl']);
    await comfy.crash();
    await until(() => engine.resident().length === 0);
  });

  it('finishes a job whose socket is cut, and hears of it again', async () => {
    const hold = holdAt(3);
    const end = run();
    await hold.reached;
    comfy.dropSockets();
    await until(() => comfy.sockets === 1);
    hold.release();
    expect((await end).outputs).toHaveLength(1);
    expect(steps).toContain(6);
  });

  it('finishes a job without any socket', async () => {
    await engine.close();
    engine = await open();
    comfy.dropSockets();
    comfy.script.step = () => comfy.dropSockets();
    expect((await run()).outputs).toHaveLength(1);
  });

  it('is not led astray by frames that make no sense', async () => {
    comfy.script.step = () => {
      for (const frame of [
        'no json',
        '{"type":"progress","data":{"prompt_id":"other","node":"sampler","value":6,"max":6}}',
        '{"type":"progress","data":{"value":-1}}',
        '{"type":"executing","data":{"node":null,"prompt_id":"other"}}',
        '{"type":"execution_success","data":{"prompt_id":"other"}}',
        '{"type":"executing","data":{"node":null}}',
        new Uint8Array([0, 0, 0, 1]),
        new Uint8Array([0, 0, 0, 4, 255, 255, 255, 255, 1]),
      ]) {
        comfy.shout(frame);
      }
    };
    expect((await run()).outputs).toHaveLength(1);
    expect(steps).toEqual(steps.toSorted((a, b) => a - b));
  });

  it('looks a prompt up whose answer was lost, and never sends it twice', async () => {
    let cut = false;
    comfy.intercept = (_, path) => {
      if (path !== '/prompt' || cut) return undefined;
      cut = true;
      return 'cut';
    };
    expect((await run()).outputs).toHaveLength(1);
    expect(comfy.prompts).toHaveLength(1);
  });

  it('waits for a server that answers badly for a moment, but not for long', async () => {
    let bad = 5;
    comfy.intercept = (_, path) =>
      path.startsWith('/history/') && bad-- > 0 ? { status: 503 } : undefined;
    expect((await run()).outputs).toHaveLength(1);
    comfy.intercept = (_, path) => (path.startsWith('/history/') ? { status: 503 } : undefined);
    await expect(run({ seed: 3 })).rejects.toMatchObject({ code: 'engine_unavailable' });
  });

  it('ends a job that shows no sign of life, and tells the server to stop', async () => {
    await engine.close();
    engine = await open({ stallMs: 60, stopMs: 40 });
    const hold = holdAt(2);
    await expect(run()).rejects.toMatchObject({ code: 'job_timeout', retryable: true });
    expect(comfy.calls).toContain('POST /interrupt');
    hold.release();
  });

  it('ends a job that somebody else stopped', async () => {
    const hold = holdAt(2);
    const end = run();
    end.catch(() => {});
    await hold.reached;
    comfy.worker.interrupted = true;
    hold.release();
    await expect(end).rejects.toMatchObject({ code: 'job_failed', retryable: true });
  });

  it('gives no result for a file that is gone, empty or no picture', async () => {
    for (const [bytes, label] of [
      ['', 'empty'],
      ['no picture at all', 'garbage'],
    ] as const) {
      comfy.script.spoil = () => Buffer.from(bytes);
      const end = run({ prompt: label });
      await expect(end).rejects.toMatchObject({ code: 'job_failed', retryable: true });
    }
    comfy.intercept = (_, path) => (path === '/view' ? { status: 404 } : undefined);
    await expect(run()).rejects.toMatchObject({ code: 'job_failed', retryable: true });
  });

  it('takes its prompts out of the history, which is for all to read', async () => {
    await run();
    comfy.script.fail = () => ({ type: 'RuntimeError', message: 'odd' });
    await run({ seed: 1 }).catch(() => {});
    expect(comfy.worker.history.size).toBe(0);
  });
});

/** A prompt of another client, as its own page would send it. */
async function queueForeign(): Promise<(typeof comfy.prompts)[number]> {
  const graph = {
    latent: { class_type: 'EmptyLatentImage', inputs: { width: 64, height: 64, batch_size: 1 } },
    model: {
      class_type: 'CheckpointLoaderSimple',
      inputs: { ckpt_name: 'sd_xl_base_1.0.safetensors' },
    },
    text: { class_type: 'CLIPTextEncode', inputs: { text: '', clip: ['model', 1] } },
    sampler: {
      class_type: 'KSampler',
      inputs: {
        ...{ seed: 1, steps: 4, cfg: 1, denoise: 1, sampler_name: 'euler', scheduler: 'normal' },
        ...{ model: ['model', 0], positive: ['text', 0], negative: ['text', 0] },
        latent_image: ['latent', 0],
      },
    },
    decode: { class_type: 'VAEDecode', inputs: { samples: ['sampler', 0], vae: ['model', 2] } },
    save: { class_type: 'SaveImage', inputs: { images: ['decode', 0], filename_prefix: 'x' } },
  };
  const body = JSON.stringify({ prompt: graph, prompt_id: crypto.randomUUID() });
  const answer = await fetch(new URL('/prompt', comfy.url), { method: 'POST', body });
  expect(answer.status).toBe(200);
  return comfy.prompts.at(-1)!;
}

/** Lets the loop turn until a fact holds; the test's own limit ends it otherwise. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(setImmediate);
}
