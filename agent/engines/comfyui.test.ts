import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Progress } from '#schema/api.ts';
import { Preview } from '#schema/event.ts';
import type { JobSpec, MusicSpec, VideoSpec } from '#schema/job.ts';
import { MODELS } from '#schema/model.ts';
import { createComfyui } from './comfyui.ts';
import type { ComfyuiOptions } from './comfyui.ts';
import { ComfyDouble } from './doubles/comfyui.ts';
import { IMAGE, PACE } from './doubles/comfyui/fixture.ts';
import type { Engine, RunContext, RunResult } from './engine.ts';
import { EngineError } from './engine.ts';

const VIDEO: VideoSpec = {
  type: 'video',
  model: 'ltx-video',
  prompt: 'waves',
  negative_prompt: '',
  width: 768,
  height: 512,
  duration_s: 4,
  fps: 24,
  steps: 5,
  guidance: 3,
  seed: 2,
  input_image: null,
};
const MUSIC: MusicSpec = {
  type: 'music',
  model: 'ace-step',
  prompt: 'synthwave',
  lyrics: '',
  duration_s: 30,
  seed: 4,
  format: 'wav',
};

const never = new AbortController().signal;
let comfy: ComfyDouble;
let engine: Engine;
let directory: string;
/** Bytes of whatever file a job names. */
let file: Uint8Array = new Uint8Array();
let progress: Progress[];
let previews: Preview[];
let words: string[];

function contextOf(signal: AbortSignal = never): RunContext {
  return {
    signal,
    directory,
    openInput: async (name) => {
      const path = join(directory, name);
      await writeFile(path, file);
      return path;
    },
    onProgress: (told) => progress.push(told),
    onPreview: (preview) => previews.push(preview),
    onText: () => expect.unreachable('no text is made here'),
  };
}

async function create(options: Partial<ComfyuiOptions> = {}): Promise<Engine> {
  const say = (sentence: string): void => void words.push(sentence);
  const made = await createComfyui({ url: comfy.url, pace: PACE, say, ...options });
  await made.discover(never);
  return made;
}

const run = (spec: JobSpec = IMAGE, signal?: AbortSignal): Promise<RunResult> =>
  engine.run(spec, contextOf(signal));

/** The graph that the server was last given. */
const graph = () => comfy.prompts.at(-1)!.prompt;

async function failureOf(spec: JobSpec = IMAGE): Promise<{ code: string; retryable: boolean }> {
  const error: unknown = await run(spec).then(
    () => expect.unreachable('the run was to fail'),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(EngineError);
  const { code, retryable } = error as EngineError;
  return { code, retryable };
}

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'comfyui-'));
  progress = [];
  previews = [];
  words = [];
  comfy = await ComfyDouble.start();
  engine = await create();
});
afterEach(async () => {
  await engine.close();
  await comfy.crash();
  await rm(directory, { recursive: true });
});

describe('discovery', () => {
  it('announces every model of the catalog that has a workflow', async () => {
    const info = await engine.discover(never);
    expect(info?.version).toBe('0.8.0');
    expect(info?.models.toSorted()).toEqual(
      ['sdxl', 'flux-schnell', 'flux-dev', 'ltx-video', 'wan-2.1', 'svd', 'animatediff']
        .concat('ace-step', 'stable-audio')
        .toSorted(),
    );
    const known = new Set(MODELS.map(({ id }) => id));
    expect(info?.models.every((model) => known.has(model))).toBe(true);
  });

  it('drops a model whose file or node is gone, says why once, and takes it back', async () => {
    const { CheckpointLoaderSimple: loader } = comfy.rules;
    delete comfy.rules['CheckpointLoaderSimple'];
    delete comfy.rules['TextEncodeAceStepAudio'];
    const models = (await engine.discover(never))?.models;
    expect(models).toContain('wan-2.1');
    for (const gone of ['sdxl', 'ltx-video', 'ace-step']) expect(models).not.toContain(gone);
    await engine.discover(never);
    expect(words.filter((sentence) => sentence.startsWith('workflow sdxl-text'))).toHaveLength(1);
    comfy.rules['CheckpointLoaderSimple'] = loader!;
    expect((await engine.discover(never))?.models).toContain('sdxl');
  });

  it('falls back on the second workflow of a model when the files of the first are gone', async () => {
    const list = comfy.rules['CheckpointLoaderSimple']!.input.required!['ckpt_name']!;
    const names = (Array.isArray(list[0]) ? list[0] : []) as string[];
    names.splice(0, names.length, ...names.filter((name) => !name.includes('flux1-dev')));
    expect((await engine.discover(never))?.models).toContain('flux-dev');
    await run({ ...IMAGE, model: 'flux-dev', negative_prompt: '' });
    expect(Object.values(graph()).map((node) => node.class_type)).toContain('UNETLoader');
  });

  it('is away when nothing listens, or when the server is a KoboldCPP in disguise', async () => {
    comfy.intercept = (_, path) =>
      path === '/api/extra/version' ? { status: 200, body: { result: 'KoboldCpp' } } : undefined;
    expect(await engine.discover(never)).toBeNull();
    await comfy.crash();
    expect(await engine.discover(never)).toBeNull();
  });

  it.each([
    ['nonsense', { status: 200, body: [1] }],
    ['an error', { status: 502 }],
  ])('is away when the server answers with %s', async (_, answer) => {
    comfy.intercept = (_method, path) => (path === '/system_stats' ? answer : undefined);
    expect(await engine.discover(never).catch(() => null)).toBeNull();
  });

  it("puts the operator's workflow before ours, and leaves a broken one out with a word", async () => {
    const folder = await mkdtemp(join(tmpdir(), 'workflows-'));
    const url = new URL('./comfyui/workflows/sdxl-text-to-image.json', import.meta.url);
    const mine = JSON.parse(await readFile(url, 'utf8')) as {
      graph: Record<string, { inputs: Record<string, unknown> }>;
    };
    mine.graph['sampler']!.inputs['sampler_name'] = 'euler';
    await writeFile(join(folder, 'mine.json'), JSON.stringify(mine));
    await writeFile(join(folder, 'broken.json'), '{"model":"sdxl"}');
    const other = await create({ workflows: folder });
    await other.run(IMAGE, contextOf());
    expect(graph()['sampler']?.inputs['sampler_name']).toBe('euler');
    expect(words.some((sentence) => sentence.includes('broken.json'))).toBe(true);
    await other.close();
    await rm(folder, { recursive: true });
  });
});

describe('pictures', () => {
  it('puts every parameter where the workflow wants it, and makes what was asked for', async () => {
    const { outputs, usage } = await run({ ...IMAGE, count: 3 });
    const { prompt, negative, latent, sampler, model } = graph();
    expect(prompt?.inputs['text']).toBe(IMAGE.prompt);
    expect(negative?.inputs['text']).toBe(IMAGE.negative_prompt);
    expect(latent?.inputs).toEqual({ width: 96, height: 64, batch_size: 3 });
    expect(sampler?.inputs).toMatchObject({ seed: 11, steps: 6, cfg: 5 });
    expect(model?.inputs['ckpt_name']).toBe('sd_xl_base_1.0.safetensors');
    expect(usage).toEqual({ steps: 6 });
    expect(outputs.map(({ width, height }) => [width, height])).toEqual(Array(3).fill([96, 64]));
    const reds = await Promise.all(
      outputs.map(async ({ path }) => (await sharp(path).raw().toBuffer())[0]),
    );
    expect(reds).toEqual([0, 40, 80]);
  });

  it('gives pictures without the graph that the server writes into them', async () => {
    const { outputs } = await run();
    const [kept] = [...comfy.worker.files.values()];
    expect(Buffer.from(kept!).includes('lighthouse')).toBe(true);
    const file = await readFile(outputs[0]!.path);
    expect(file.includes('lighthouse')).toBe(false);
    expect(file.includes('tEXt')).toBe(false);
    expect((await sharp(outputs[0]!.thumbnail!.path).metadata()).format).toBe('webp');
  });

  it('tells each step, never falls back, and is loading until the first', async () => {
    await run();
    expect(progress[0]).toEqual({ fraction: 0, stage: 'loading', step: 0, steps: 6 });
    expect(progress.at(-1)).toMatchObject({ stage: 'running', step: 6, steps: 6 });
    const fractions = progress.map(({ fraction }) => fraction);
    expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
    expect(new Set(progress.map(({ step }) => step))).toEqual(new Set([0, 1, 2, 3, 4, 5, 6]));
  });

  it('passes previews on as the protocol takes them', async () => {
    comfy.script.previews = true;
    await run();
    expect(previews.length).toBeGreaterThan(1);
    expect(previews.every((preview) => Preview.safeParse(preview).success)).toBe(true);
  });

  it('reports loading once, and what is loaded until it is freed', async () => {
    expect(engine.resident()).toEqual([]);
    await run();
    expect(engine.resident()).toEqual(['sdxl']);
    expect((await run({ ...IMAGE, seed: 12 })).loadMs).toBe(0);
    await engine.free();
    expect(engine.resident()).toEqual([]);
    expect(comfy.freed).toBe(1);
  });

  it('is not caught in the cache: the same job again has files of its own', async () => {
    await run();
    const before = [...comfy.worker.files.keys()];
    for (const name of before) comfy.worker.files.delete(name);
    const { outputs } = await run();
    expect(outputs).toHaveLength(1);
    expect([...comfy.worker.files.keys()]).not.toEqual(before);
  });

  it('chains the LoRAs that are asked for, by their plain names', async () => {
    const loras = [{ name: 'pixel-art-xl', weight: 0.7 }];
    await run({ ...IMAGE, loras });
    expect(graph()['lora-0']).toEqual({
      class_type: 'LoraLoader',
      inputs: {
        lora_name: 'style/Pixel Art_XL.safetensors',
        strength_model: 0.7,
        strength_clip: 0.7,
        model: ['model', 0],
        clip: ['model', 1],
      },
    });
    expect(graph()['sampler']?.inputs['model']).toEqual(['lora-0', 0]);
    expect(graph()['prompt']?.inputs['clip']).toEqual(['lora-0', 1]);
    const unknown = [{ name: 'no-such', weight: 1 }];
    expect(await failureOf({ ...IMAGE, loras: unknown })).toEqual({
      code: 'model_unavailable',
      retryable: true,
    });
  });

  it('upscales to the size that was asked for', async () => {
    const { outputs } = await run({ ...IMAGE, upscale: 4 });
    expect(outputs[0]).toMatchObject({ width: 384, height: 256 });
  });

  it('takes a file name with the folder and the backslash of Windows', async () => {
    await run({ ...IMAGE, model: 'flux-schnell', negative_prompt: '', width: 128 });
    expect(graph()['model']?.inputs['ckpt_name']).toBe('flux\\flux1-schnell-fp8.safetensors');
  });
});

describe('input files', () => {
  beforeAll(async () => {
    const create = { width: 40, height: 90, channels: 3 as const, background: '#f80' };
    file = await sharp({ create })
      .withExif({ IFD0: { Artist: 'somebody' } })
      .jpeg()
      .toBuffer();
  });

  it('brings picture and mask, cut to size, under the names that the server gave', async () => {
    await run({ ...IMAGE, input_image: 'file_a', mask: 'file_b' });
    const names = [...comfy.uploads.keys()];
    expect(graph()['image']?.inputs['image']).toBe(names[0]);
    expect(graph()['mask']?.inputs['image']).toBe(names[1]);
    expect(graph()['sampler']?.inputs['denoise']).toBe(0.5);
    const sent = comfy.uploads.get(names[0]!)!;
    expect(await sharp(sent).metadata()).toMatchObject({ width: 96, height: 64, format: 'png' });
    expect(Buffer.from(sent).includes('somebody')).toBe(false);
  });

  it('makes each of several pictures of one input', async () => {
    const job = { ...IMAGE, input_image: 'file_a', count: 2 };
    expect((await run(job)).outputs).toHaveLength(2);
  });

  it('tells a file that is no picture from a failure of the engine', async () => {
    file = Buffer.from('no picture');
    const end = await failureOf({ ...IMAGE, input_image: 'file_a' });
    expect(end).toMatchObject({ code: 'input_unreadable', retryable: false });
  });
});

describe('videos and music', () => {
  it.each([
    ['ltx-video', 97, 'length'],
    ['wan-2.1', 97, 'length'],
    ['animatediff', 96, 'batch_size'],
  ])('makes %s of as many frames as its model can have', async (model, frames, input) => {
    const { outputs } = await run({ ...VIDEO, model });
    expect(graph()['latent']?.inputs[input]).toBe(frames);
    expect(graph()['video']?.inputs['fps']).toBe(24);
    expect(outputs).toHaveLength(1);
    expect(outputs[0]).toMatchObject({ contentType: 'video/mp4', width: 96, durationS: 1.5 });
    expect((await readFile(outputs[0]!.path)).includes('class_type')).toBe(false);
    expect(outputs[0]!.thumbnail).not.toBeNull();
  });

  it('refuses a video that is longer than its model can make', async () => {
    const { code, retryable } = await failureOf({ ...VIDEO, duration_s: 10, fps: 30 });
    expect({ code, retryable }).toEqual({ code: 'engine_rejected', retryable: false });
    expect(comfy.prompts).toHaveLength(0);
  });

  it.each(['wav', 'ogg', 'mp3'] as const)('makes %s without tags', async (format) => {
    const { outputs, usage } = await run({ ...MUSIC, format });
    const file = await readFile(outputs[0]!.path);
    const heads = { wav: 'RIFF', ogg: 'OggS', mp3: '\u00ff\u00fb' };
    expect(file.toString('latin1').startsWith(heads[format])).toBe(true);
    expect(file.includes('class_type')).toBe(false);
    expect(usage.audioS).toBeGreaterThan(0.4);
  });

  it('sings the lyrics, or is told that there are none', async () => {
    await run(MUSIC);
    expect(graph()['prompt']?.inputs['lyrics']).toBe('[instrumental]');
    await run({ ...MUSIC, lyrics: 'la la' });
    expect(graph()['prompt']?.inputs['lyrics']).toBe('la la');
    expect(await failureOf({ ...MUSIC, model: 'stable-audio', lyrics: 'la' })).toMatchObject({
      code: 'engine_rejected',
    });
  });
});
