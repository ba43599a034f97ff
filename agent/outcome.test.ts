import { expect, it } from 'vitest';
import { IMAGE_SPEC, TEXT_SPEC } from './doubles/spec.ts';
import { EngineError } from './engines/engine.ts';
import { parseGpu } from './gpu.ts';
import { checkResult, clean, describeFailure, usageOf } from './outcome.ts';

const running = (fraction: number, step: number | null = null) => ({
  fraction,
  stage: 'running' as const,
  step,
  steps: null,
});

it.each([
  ['steps by the share of the work', IMAGE_SPEC, running(0.5), { steps: 10 }],
  ['nothing while it loads', IMAGE_SPEC, { ...running(0.5), stage: 'loading' as const }, {}],
  ['tokens by step', TEXT_SPEC, running(0.1, 7), { completionTokens: 7 }],
  ['no more tokens than asked for', TEXT_SPEC, running(1, 99_999), { completionTokens: 512 }],
])('counts %s', (_, spec, progress, usage) => {
  expect(usageOf(spec, progress)).toEqual(usage);
});

it('drops reports that the protocol would refuse', () => {
  expect(clean.progress(running(1.5))).toBeNull();
  expect(clean.progress(running(0.5, 1.5))).toBeNull();
  expect(clean.progress(running(0.5))).toEqual(running(0.5));
  expect(clean.preview({ content_type: 'image/png', data: 'A'.repeat(100_000) })).toBeNull();
});

const OUTPUT = {
  path: '/run/0.png',
  contentType: 'image/png' as const,
  width: 0,
  height: 64,
  durationS: -1,
  thumbnail: null,
};

it('puts the fields of a result in bounds', () => {
  const result = { outputs: [OUTPUT], usage: { steps: -3 }, loadMs: Number.NaN };
  expect(checkResult(result, '/run')).toEqual({
    outputs: [{ ...OUTPUT, width: null, durationS: null }],
    usage: {},
    loadMs: 0,
  });
});

it('refuses outputs elsewhere than in the folder of the run, and too many', () => {
  const result = { outputs: [OUTPUT], usage: {}, loadMs: 0 };
  expect(() => checkResult(result, '/other')).toThrow('folder of its run');
  const many = { ...result, outputs: Array.from({ length: 9 }, () => OUTPUT) };
  expect(() => checkResult(many, '/run')).toThrow('as many outputs');
});

it('takes an unknown error for a fault that another attempt may not meet', () => {
  expect(describeFailure(new TypeError('x'))).toMatchObject({
    code: 'job_failed',
    retryable: true,
  });
  const failure = { code: 'engine_rejected', retryable: false, detail: 'no' } as const;
  expect(describeFailure(new EngineError(failure))).toEqual({ kind: 'failed', ...failure });
});

it('reads what the NVIDIA driver prints', () => {
  expect(parseGpu('NVIDIA GeForce RTX 3090, 24576, 23012\n')).toEqual({
    name: 'NVIDIA GeForce RTX 3090',
    vramMib: 24_576,
    vramFreeMib: 23_012,
  });
  expect(parseGpu('NVIDIA-SMI has failed because it could not communicate')).toBeNull();
});
