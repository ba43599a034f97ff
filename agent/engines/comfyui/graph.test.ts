import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ImageSpec } from '#schema/job.ts';
import { EngineError } from '../engine.ts';
import { readRules } from '../doubles/comfyui/rules.ts';
import { classesOf, fit, pick } from './fit.ts';
import type { Classes } from './fit.ts';
import { fill, fillGraph, loraId } from './graph.ts';
import { comfyuiOf, ComfyuiEnv } from './settings.ts';
import { loadWorkflows, parseTemplate } from './template.ts';

const FOLDER = fileURLToPath(new URL('./workflows/', import.meta.url));
const workflows = await loadWorkflows([FOLDER], (words) => expect.unreachable(words));
const rules = readRules();
const classes: Classes = new Map(
  classesOf(workflows).map((name) => {
    const rule = rules[name];
    const { required = {}, optional = {} } = rule?.input ?? {};
    return [name, rule ? { input: { required, optional } } : null];
  }),
);

describe('slots', () => {
  it('never give a value off their grid or out of their bounds', () => {
    const slots = fc
      .record({
        min: fc.integer({ min: 0, max: 500 }),
        width: fc.integer({ min: 0, max: 2000 }),
        step: fc.integer({ min: 1, max: 64 }),
        base: fc.integer({ min: 0, max: 3 }),
      })
      // A grid that has a point within the bounds, as every workflow's has.
      .filter(({ width, step }) => width >= step);
    fc.assert(
      fc.property(slots, fc.integer({ min: -10, max: 3000 }), (bounds, value) => {
        const { min, width, step, base } = bounds;
        const max = min + width;
        const slot = { type: 'integer' as const, to: ['a.b'], min, max, step, base };
        if (value < min || value > max) {
          expect(() => fill('x', slot, value)).toThrow(EngineError);
          return;
        }
        const filled = fill('x', slot, value) as number;
        expect(filled).toBeGreaterThanOrEqual(min);
        expect(filled).toBeLessThanOrEqual(max);
        expect((filled - base) % step).toBe(0);
        expect(Math.abs(filled - value)).toBeLessThanOrEqual(step);
      }),
    );
  });

  it('take no text for a number, no number for a text, and no text that is too long', () => {
    const number = { type: 'number' as const, to: ['a.b'], min: 0, max: 1 };
    const text = { type: 'text' as const, to: ['a.b'], charsMax: 3 };
    expect(() => fill('x', number, '1')).toThrow(EngineError);
    expect(() => fill('x', number, Number.NaN)).toThrow(EngineError);
    expect(() => fill('x', text, 1)).toThrow(EngineError);
    expect(() => fill('x', text, 'long')).toThrow(EngineError);
  });
});

describe('workflows', () => {
  it.each(workflows.map((workflow) => [workflow.name, workflow] as const))(
    '%s would run on a server with everything installed',
    (_, workflow) => {
      expect(fit(workflow, classes)).toMatchObject({ ok: true });
    },
  );

  it('link only to nodes and outputs that there are', () => {
    for (const { name, graph, formats } of workflows) {
      const all = { ...graph, ...formats?.mp3 };
      for (const { inputs } of Object.values(all)) {
        for (const value of Object.values(inputs)) {
          if (!Array.isArray(value)) continue;
          const [node, output] = value as [string, number];
          const made = rules[all[node]!.class_type] as { output?: unknown[] } | undefined;
          expect(made?.output?.length, `${name}: ${node}`).toBeGreaterThan(output);
        }
      }
    }
  });

  it('leave the template as it was when they are filled', () => {
    const workflow = workflows.find(({ name }) => name === 'sdxl-text-to-image.json')!;
    const told = fit(workflow, classes);
    if (!told.ok) expect.unreachable(told.why);
    else {
      const before = structuredClone(told.offer);
      const spec: ImageSpec = {
        ...{ type: 'image', model: 'sdxl', prompt: 'x', negative_prompt: '', count: 2 },
        ...{ width: 640, height: 512, steps: 9, guidance: 3, seed: 8, strength: 1, upscale: 2 },
        ...{ input_image: null, mask: null, loras: [{ name: 'pixel-art-xl', weight: 1 }] },
      };
      fillGraph(told.offer, spec, { prefix: 'p' });
      expect(told.offer).toEqual(before);
    }
  });

  it.each([
    ['an address that the graph lacks', { slots: { seed: { type: 'file', to: ['a.nothing'] } } }],
    ['a sampler that the graph lacks', { sampler: 'b' }],
    ['a slot without a name of ours', { slots: { odd: { type: 'file', to: ['a.x'] } } }],
    ['a field of no meaning', { extra: 1 }],
    [
      'an input filled twice',
      { slots: { mask: { type: 'file', to: ['a.x'] }, prompt: { type: 'text', to: ['a.x'] } } },
    ],
  ])('are refused for %s', (_, changes) => {
    const graph = { a: { class_type: 'A', inputs: { x: '' } } };
    const sound = { model: 'm', task: 'inpaint', graph, slots: {}, sampler: 'a', results: ['a'] };
    expect(parseTemplate('x', JSON.stringify(sound)).name).toBe('x');
    expect(() => parseTemplate('x', JSON.stringify({ ...sound, ...changes }))).toThrow();
  });
});

describe('names', () => {
  it('prefers the first pattern, then the first file, whatever the folder and the case', () => {
    const installed = ['a/Other.ckpt', 'b\\SD_XL_base.safetensors', 'sd_xl_base.safetensors'];
    expect(pick(['none', 'sd_xl*'], installed)).toBe('b\\SD_XL_base.safetensors');
    expect(pick(['other.ckpt', 'sd_xl*'], installed)).toBe('a/Other.ckpt');
    expect(pick(['other?ckpt', 'sd.xl*'], installed)).toBeNull();
  });

  it('calls a LoRA by a plain name', () => {
    expect(loraId('style\\Pixel Art_XL v1.1.safetensors')).toBe('pixel-art-xl-v1.1');
  });

  it('reads its settings, and has none without an address', () => {
    const env = { TESSERA_COMFYUI_URL: 'http://127.0.0.1:8188', TESSERA_COMFYUI_WORKFLOWS: '/w' };
    const { comfyui } = comfyuiOf(ComfyuiEnv.parse(env));
    expect(comfyui?.url.href).toBe('http://127.0.0.1:8188/');
    expect(comfyui?.workflows).toBe('/w');
    expect(comfyuiOf(ComfyuiEnv.parse({ TESSERA_COMFYUI_WORKFLOWS: '/w' }))).toEqual({});
    expect(ComfyuiEnv.safeParse({ TESSERA_COMFYUI_URL: 'ftp://x' }).success).toBe(false);
  });
});
