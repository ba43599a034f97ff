import { describe, expect, it } from 'vitest';
import { JobRequest, toSpec } from './job.ts';
import { PROMPT_CHARS_MAX } from './limits.ts';
import { findModel } from './model.ts';

const IMAGE = { type: 'image', prompt: 'a cat' };

/** Path and message of the first issue, or null when the request is valid. */
function refusal(request: unknown): string | null {
  const parsed = JobRequest.safeParse(request);
  if (parsed.success) return null;
  const issue = parsed.error.issues[0]!;
  return `${issue.path.join('.')}: ${issue.message}`;
}

describe('a job request', () => {
  it.each([
    ['no type', { prompt: 'a cat' }, 'type'],
    ['an unknown type', { ...IMAGE, type: 'poem' }, 'type'],
    ['an unknown field', { ...IMAGE, promt: 'x' }, 'promt'],
    ['an empty prompt', { ...IMAGE, prompt: '   ' }, 'prompt'],
    ['a prompt over its limit', { ...IMAGE, prompt: 'x'.repeat(PROMPT_CHARS_MAX + 1) }, '4000'],
    ['control characters', { ...IMAGE, prompt: 'a\u0000b' }, 'control characters'],
    ['a lone surrogate', { ...IMAGE, prompt: 'a\ud800b' }, 'broken Unicode'],
    ['a negative size', { ...IMAGE, width: -8 }, 'width'],
    ['a huge size', { ...IMAGE, width: 1e9 }, '2048'],
    ['a size between multiples of 8', { ...IMAGE, height: 513 }, '8'],
    ['a fractional step count', { ...IMAGE, steps: 1.5 }, 'steps'],
    ['a number as text', { ...IMAGE, steps: '20' }, 'steps'],
    ['infinite guidance', { ...IMAGE, guidance: Infinity }, 'guidance'],
    ['a seed over 32 bits', { ...IMAGE, seed: 2 ** 32 }, 'seed'],
    [
      'both prompt and messages',
      { type: 'text', prompt: 'x', messages: [{ role: 'user', content: 'x' }] },
      'either',
    ],
    ['neither prompt nor messages', { type: 'text' }, 'either'],
    ['a file that is no id', { type: 'transcription', file: '../../etc/passwd' }, 'file'],
    [
      'too many labels',
      {
        ...IMAGE,
        metadata: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, ''])),
      },
      'metadata',
    ],
  ])('with %s is refused, naming what is wrong', (_, request, named) => {
    expect(refusal(request)).toContain(named);
  });

  it.each([
    IMAGE,
    { ...IMAGE, prompt: 'línea\nnueva 🐈\ttab', negative_prompt: '' },
    { type: 'speech', input: 'Hello.' },
    { type: 'music', prompt: 'calm piano', duration_s: 5 },
    { type: 'text', messages: [{ role: 'user', content: 'Hi' }] },
  ])('is taken: %j', (request) => {
    expect(refusal(request)).toBeNull();
  });

  it('becomes a spec with the defaults of its model and the seed that was drawn', () => {
    const request = JobRequest.parse(IMAGE);
    expect(toSpec(request, findModel('sdxl')!, 42)).toEqual({
      type: 'image',
      model: 'sdxl',
      prompt: 'a cat',
      negative_prompt: '',
      width: 1024,
      height: 1024,
      steps: 30,
      guidance: 7,
      seed: 42,
      count: 1,
      input_image: null,
      mask: null,
      strength: 0.6,
      loras: [],
      upscale: 1,
    });
  });
});
