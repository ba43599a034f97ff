import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JobRequest, toSpec } from './job.ts';
import type { JobSpec } from './job.ts';
import { MODELS, findModel } from './model.ts';
import { quoteMillitokens, settleMillitokens, tellPrice, toTokens } from './price.ts';

const FILE = `file_${'0'.repeat(26)}`;

function spec(request: Record<string, unknown>): JobSpec {
  const parsed = JobRequest.parse(request);
  return toSpec(parsed, findModel(String(request['model']))!, 7);
}

function image(width: number, height: number, more: Record<string, unknown> = {}): JobSpec {
  return spec({ type: 'image', model: 'sdxl', prompt: 'a cat', width, height, ...more });
}

describe('the price', () => {
  it.each([
    ['512x512', image(512, 512), 0.25],
    ['1024x1024', image(1024, 1024), 1],
    ['2048x2048', image(2048, 2048), 4],
    ['double steps', image(1024, 1024, { steps: 60 }), 2],
    ['four pictures', image(1024, 1024, { count: 4 }), 4],
    ['a dearer model', image(1024, 1024, { model: 'flux-dev' }), 2],
    [
      '5 s of 720p video',
      spec({
        type: 'video',
        model: 'ltx-video',
        prompt: 'sea',
        width: 1280,
        height: 720,
        duration_s: 5,
      }),
      3,
    ],
    [
      '500 tokens of text',
      spec({ type: 'text', model: 'chat', prompt: 'hi', max_tokens: 500 }),
      0.5,
    ],
    [
      'ten minutes of transcription',
      {
        ...spec({ type: 'transcription', model: 'whisper', file: FILE }),
        duration_s: 600,
      } as JobSpec,
      1,
    ],
    [
      'a second of transcription',
      {
        ...spec({ type: 'transcription', model: 'whisper', file: FILE }),
        duration_s: 1,
      } as JobSpec,
      0.002,
    ],
    ['the smallest job', image(64, 64, { steps: 1 }), 0.001],
  ])('of %s is %s tokens', (_, job, tokens) => {
    expect(toTokens(quoteMillitokens(job))).toBe(tokens);
  });

  it.each(MODELS)('of $id is told as what a job of that size is held for', (model) => {
    const size = { width: 1280, height: 720, duration_s: 60, steps: model.steps };
    const sizes: Record<typeof model.type, object> = {
      image: { ...size, width: 1024, height: 1024, count: 1, upscale: 1 },
      video: { ...size, duration_s: 5 },
      text: { max_tokens: 500 },
      speech: { input: 'a'.repeat(1000) },
      music: size,
      transcription: size,
    };
    const job = { type: model.type, model: model.id, ...sizes[model.type] } as JobSpec;
    expect(tellPrice(model).tokens).toBe(toTokens(quoteMillitokens(job)));
  });

  it('settled at the end never exceeds what was held', () => {
    const usage = fc.record({
      steps: fc.integer({ min: 0, max: 150 }),
      completionTokens: fc.integer({ min: 0, max: 4096 }),
    });
    const outcome = fc.constantFrom('completed' as const, 'failed' as const, 'cancelled' as const);
    const side = fc.integer({ min: 8, max: 256 }).map((n) => n * 8);
    fc.assert(
      fc.property(side, side, usage, outcome, (width, height, used, end) => {
        const job = image(width, height);
        const heldMillitokens = quoteMillitokens(job);
        const settled = settleMillitokens({ spec: job, heldMillitokens }, end, used);
        expect(Number.isSafeInteger(settled)).toBe(true);
        expect(settled).toBeGreaterThanOrEqual(0);
        expect(settled).toBeLessThanOrEqual(heldMillitokens);
        if (end === 'failed') expect(settled).toBe(0);
        if (end === 'completed') expect(settled).toBe(heldMillitokens);
      }),
    );
  });

  it('of text that ended is that of the tokens generated', () => {
    const job = spec({ type: 'text', model: 'chat', prompt: 'hi', max_tokens: 500 });
    const held = { spec: job, heldMillitokens: 500 };
    expect(settleMillitokens(held, 'completed', { completionTokens: 100 })).toBe(100);
  });

  it('of a cancelled picture is that of the steps done', () => {
    const held = { spec: image(1024, 1024), heldMillitokens: 1000 };
    expect(settleMillitokens(held, 'cancelled', { steps: 15 })).toBe(500);
    expect(settleMillitokens(held, 'cancelled', {})).toBe(0);
  });

  it('exists for every model of the catalog', () => {
    for (const model of MODELS) {
      const request = {
        image: { prompt: 'x' },
        video: { prompt: 'x' },
        text: { prompt: 'x' },
        speech: { input: 'x' },
        music: { prompt: 'x' },
        transcription: { file: 'file_01k00000000000000000000000' },
      }[model.type];
      const job = spec({ type: model.type, model: model.id, ...request });
      expect(quoteMillitokens(job)).toBeGreaterThan(0);
    }
  });
});
