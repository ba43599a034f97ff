import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JobRequest } from '#schema/job.ts';
import type { JobType } from '#schema/model.ts';
import { JOB_TYPES } from '#schema/model.ts';
import { readCommand, readSlash } from './command.ts';
import type { Command } from './command.ts';
import { choose } from './command/draft.ts';
import type { Draft, Fields } from './command/draft.ts';

const read = (text: string, type: JobType = 'image'): Command =>
  readCommand(text, { type, file: null });

function draftOf(text: string, type: JobType = 'image'): Draft {
  const command = read(text, type);
  if (command.kind !== 'request') throw new Error(`${text} is a ${command.kind}`);
  return command.draft;
}

const ANY = 'Whichever is on';
const JOB = 'job_01k00000000000000000000000_main';

describe('a request in plain English', () => {
  it.each<[string, Fields]>([
    ['a cat 512x512 on a roof', { prompt: 'a cat on a roof', width: 512, height: 512 }],
    ['draw 3 small pictures of dogs', { prompt: 'dogs', count: 3, width: 512, height: 512 }],
    ['a small picture of a dog', { prompt: 'a dog', width: 512, height: 512 }],
    ['4 realistic photos of cats', { prompt: 'realistic photo of cats', count: 4 }],
    ['a funny picture of a dog', { prompt: 'a funny picture of a dog' }],
    ['a boat x2 at 256x256', { prompt: 'a boat', count: 2, width: 256, height: 256 }],

    ['a cat', { prompt: 'a cat' }],
    ['cat', { prompt: 'cat' }],
    [
      'generate a cat at 1024x1024, 30 steps, seed 7',
      { prompt: 'a cat', width: 1024, height: 1024, steps: 30, seed: 7 },
    ],
    ['/generate a cat, 512x512', { prompt: 'a cat', width: 512, height: 512 }],
    ['/generate@tessera_bot a cat', { prompt: 'a cat' }],
    ['/imagine\na cat', { prompt: 'a cat' }],
    ['a cat 1024x1024', { prompt: 'a cat', width: 1024, height: 1024 }],
    ['a cat 512 x 768 px', { prompt: 'a cat', width: 512, height: 768 }],
    ['a cat, 768×512', { prompt: 'a cat', width: 768, height: 512 }],
    ['a cat, size 512', { prompt: 'a cat', width: 512, height: 512 }],
    ['a cat in 16:9', { prompt: 'a cat', width: 1024, height: 576 }],
    ['a cat, 9:16', { prompt: 'a cat', width: 576, height: 1024 }],
    ['a cat, 4:3 aspect ratio', { prompt: 'a cat', width: 1024, height: 768 }],
    ['a cat, square', { prompt: 'a cat', width: 1024, height: 1024 }],
    ['a cat, portrait', { prompt: 'a cat', width: 768, height: 1024 }],
    ['a cat in landscape format', { prompt: 'a cat', width: 1024, height: 768 }],
    ['a cat in portrait mode, seed 3', { prompt: 'a cat', width: 768, height: 1024, seed: 3 }],
    ['a cat, widescreen', { prompt: 'a cat', width: 1024, height: 576 }],
    ['a cat, thirty steps', { prompt: 'a cat, thirty steps' }],
    ['a cat, ten steps', { prompt: 'a cat', steps: 10 }],
    ['a cat, steps: 25', { prompt: 'a cat', steps: 25 }],
    ['a cat with seed 5 and 20 steps', { prompt: 'a cat', seed: 5, steps: 20 }],
    ['a cat, seed=99', { prompt: 'a cat', seed: 99 }],
    ['a cat, random seed', { prompt: 'a cat' }],
    ['a cat, guidance 4.5', { prompt: 'a cat', guidance: 4.5 }],
    ['a cat, cfg scale: 7', { prompt: 'a cat', guidance: 7 }],
    ['a cat, 4 images', { prompt: 'a cat', count: 4 }],
    ['a cat, three pictures', { prompt: 'a cat', count: 3 }],
    ['a cat, x2', { prompt: 'a cat', count: 2 }],
    ['4 images of a cat', { prompt: 'a cat', count: 4 }],
    ['two pictures of a cat, 512x512', { prompt: 'a cat', count: 2, width: 512, height: 512 }],
    ['a picture of a cat', { prompt: 'a cat' }],
    ['a photo of a cat', { prompt: 'photo of a cat' }],
    ['draw me a cat', { prompt: 'a cat' }],
    ['please draw a cat', { prompt: 'a cat' }],
    ['can you make a cat on a roof?', { prompt: 'a cat on a roof?' }],
    ['could you please generate an image of a cat', { prompt: 'a cat' }],
    ['I want a cat on the moon', { prompt: 'a cat on the moon' }],
    ["I'd like to see a cat", { prompt: 'a cat' }],
    ['hey, paint a cat please', { prompt: 'a cat' }],
    ['a square picture of a cat', { prompt: 'a cat', width: 1024, height: 1024 }],
    ['a 16:9 wallpaper of a cat', { prompt: 'wallpaper of a cat', width: 1024, height: 576 }],
    ['a street without cars', { prompt: 'a street', negative_prompt: 'cars' }],
    [
      'a street without cars and any people, 512x512',
      { prompt: 'a street', negative_prompt: 'cars, people', width: 512, height: 512 },
    ],
    ['a man without a hat in the rain', { prompt: 'a man in the rain', negative_prompt: 'hat' }],
    ['a street, no people', { prompt: 'a street', negative_prompt: 'people' }],
    ['a cat --no text, people', { prompt: 'a cat', negative_prompt: 'text, people' }],
    [
      'a cat --ar 16:9 --steps 20 --seed 4',
      { prompt: 'a cat', width: 1024, height: 576, steps: 20, seed: 4 },
    ],
    ['a cat --size 512x768 --n 2', { prompt: 'a cat', width: 512, height: 768, count: 2 }],
    ['a cat\nNegative prompt: blurry', { prompt: 'a cat', negative_prompt: 'blurry' }],
    [
      'a cat\nSteps: 30, CFG scale: 7, Seed: 12, Size: 512x768',
      { prompt: 'a cat', steps: 30, guidance: 7, seed: 12, width: 512, height: 768 },
    ],
    ['a cat, sdxl', { prompt: 'a cat', model: 'sdxl' }],
    ['a cat using flux dev', { prompt: 'a cat', model: 'flux-dev' }],
    ['a cat with flux.1 schnell', { prompt: 'a cat', model: 'flux-schnell' }],
    ['a cat, model: painter', { prompt: 'a cat', model: 'painter' }],
    ['a cat using the painter model', { prompt: 'a cat', model: 'painter' }],
    ['a cat, 2x upscale', { prompt: 'a cat', upscale: 2 }],
  ])('%s', (text, fields) => {
    expect(draftOf(text)).toEqual({ type: 'image', fields, doubts: [] });
  });

  it.each([
    'a portrait of a woman',
    'oil painting, portrait, dramatic light',
    'portrait, oil on canvas',
    'a road sign that says "4:3"',
    'the 30 steps to heaven',
    'a cat with two tails',
    'a city without end',
    'a painter at work',
    'a girl, painter, studio light',
    'seven dwarfs',
    'a cat using a computer',
    'a horse on a square',
    'a scene from 1984',
  ])('leaves the words alone: %s', (text) => {
    expect(draftOf(text)).toEqual({ type: 'image', fields: { prompt: text }, doubts: [] });
  });

  it.each<[JobType, string, Fields]>([
    ['video', 'a dog running for 5 seconds', { prompt: 'a dog running', duration_s: 5 }],
    [
      'video',
      'make me a 3 second video of waves in 16:9',
      { prompt: 'waves', duration_s: 3, width: 768, height: 432 },
    ],
    ['video', 'waves, 4s, 24 fps', { prompt: 'waves', duration_s: 4, fps: 24 }],
    ['video', 'waves, using wan', { prompt: 'waves', model: 'wan-2.1' }],
    ['video', 'a photo of a dog', { prompt: 'photo of a dog' }],
    ['music', 'calm piano, 30 seconds', { prompt: 'calm piano', duration_s: 30 }],
    ['music', 'a 2 minute song about rain', { prompt: 'rain', duration_s: 120 }],
    ['music', 'calm piano, 1.5 minutes', { prompt: 'calm piano', duration_s: 90 }],
    ['text', 'Write 4 images of grief, 30 steps', { prompt: 'Write 4 images of grief, 30 steps' }],
    ['text', 'Why? --max-tokens 100', { prompt: 'Why?', max_tokens: 100 }],
    ['speech', 'Hello, 30 steps, seed 7', { prompt: 'Hello, 30 steps, seed 7' }],
    [
      'speech',
      'Hello --voice am_adam --speed 1.5',
      { prompt: 'Hello', voice: 'am_adam', speed: 1.5 },
    ],
  ])('%s: %s', (type, text, fields) => {
    expect(draftOf(text, type)).toEqual({ type, fields, doubts: [] });
  });
});

describe('what is not understood', () => {
  it.each<[string, string, string[]]>([
    [
      'a staircase with 30 steps',
      'setting_or_prompt',
      ['It is a setting', 'It is part of the scene'],
    ],
    ['a girl in square', 'setting_or_prompt', ['It is a setting', 'It is part of the scene']],
    ['a cat using flux', 'unknown_model', ['flux-schnell', 'flux-dev', ANY]],
    ['a cat, model sdlx', 'unknown_model', ['sdxl', ANY]],
    ['a cat --model flx-dev', 'unknown_model', ['flux-dev', ANY]],
    [
      'a cat, model midjourney',
      'unknown_model',
      ['sdxl', 'flux-schnell', 'flux-dev', 'painter', ANY],
    ],
    ['a cat, 900 steps', 'out_of_bounds', ['steps 150']],
    ['a cat, 12 images', 'out_of_bounds', ['count 4']],
    ['a cat, 4000x4000', 'out_of_bounds', ['2048x2048']],
    ['a cat, 1023x1023', 'odd_size', ['1024x1024']],
    ['a cat, 50:1', 'odd_ratio', ['1:1', '16:9', '9:16']],
    ['a cat, 512x512, 1024x1024', 'two_values', ['512x512', '1024x1024']],
    ['a cat, seed 1, seed 2', 'two_values', ['seed 1', 'seed 2']],
    ['a cat --steps many', 'bad_value', ['Leave it out']],
    ['a cat --sampler euler', 'unknown_setting', ['Leave it out']],
    ['some pictures of a cat', 'how_many', ['2 pictures', '3 pictures', '4 pictures']],
    ['make a video of a cat', 'other_type', ['Make a picture']],
    ['what is love?', 'is_it_a_prompt', ['Yes, make a picture']],
    ['yes', 'is_it_a_prompt', ['Yes, make a picture']],
    ['can you make a video?', 'other_type', ['Make a picture']],
    ['can you make a picture?', 'no_prompt', []],
    ['draw me some pictures please', 'no_prompt', []],
    ['make it bigger', 'is_it_a_prompt', ['Yes, make a picture']],
    ['Delete this.', 'is_it_a_prompt', ['Yes, make a picture']],
    ['bigger please', 'is_it_a_prompt', ['Yes, make a picture']],
    ['not like that', 'is_it_a_prompt', ['Yes, make a picture']],
    ['how do I cancel', 'is_it_a_prompt', ['Yes, make a picture']],
    ['why is it so slow', 'is_it_a_prompt', ['Yes, make a picture']],
    ['bye!', 'is_it_a_prompt', ['Yes, make a picture']],
    ['ok', 'is_it_a_prompt', ['Yes, make a picture']],
    ['https://example.com/cat.png', 'is_it_a_prompt', ['Yes, make a picture']],
    ['/generate', 'no_prompt', []],
    ['30 steps', 'no_prompt', []],
    ['make it 512x512', 'no_prompt', []],
    ['generate', 'no_prompt', []],
  ])('is asked about: %s', (text, reason, labels) => {
    const [doubt] = draftOf(text).doubts;
    expect(doubt?.about.reason).toBe(reason);
    expect(doubt?.choices.map(({ label }) => label)).toEqual(labels);
  });

  it('becomes a request by the choice of the user', () => {
    const draft = draftOf('a staircase with 30 steps');
    expect(choose(draft, 0)?.fields).toEqual({ prompt: 'a staircase', steps: 30 });
    expect(choose(draft, 1)?.fields).toEqual({ prompt: 'a staircase with 30 steps' });
    expect(choose(draft, 2)).toBeNull();
    const sized = choose(draftOf('a cat, 512x512, 256x256'), 1);
    expect(sized).toMatchObject({ fields: { width: 256, height: 256 }, doubts: [] });
  });

  it('is asked about one by one', () => {
    const draft = draftOf('a cat, 900 steps, model sdlx');
    expect(draft.doubts).toHaveLength(2);
    expect(choose(draft, 0)?.doubts).toHaveLength(1);
  });

  it('asks for a recording where there is none to write down', () => {
    expect(draftOf('to english', 'transcription').doubts[0]?.about.reason).toBe('no_file');
    const command = readCommand('', { type: 'transcription', file: 'sound' });
    expect(command).toMatchObject({ kind: 'request', draft: { doubts: [] } });
  });
});

describe('commands and questions', () => {
  it.each<[string, object]>([
    ['/start', { kind: 'start' }],
    ['/start ref_123', { kind: 'start' }],
    ['/help@tessera_bot', { kind: 'help' }],
    ['/plan', { kind: 'plan' }],
    ['/my-plan', { kind: 'plan' }],
    ['/upgrade', { kind: 'upgrade' }],
    ['/link', { kind: 'link' }],
    ['/status', { kind: 'status', jobId: null }],
    [`/status ${JOB}`, { kind: 'status', jobId: JOB }],
    [`/cancel ${JOB.toUpperCase()}`, { kind: 'cancel', jobId: JOB }],
    ['/cancel 17', { kind: 'bad_job_id', said: '17' }],
    ['/genrate a cat', { kind: 'unknown_command', said: 'genrate', near: 'generate' }],
    ['/xyzzy', { kind: 'unknown_command', said: 'xyzzy', near: null }],
    ['/tessera off', { kind: 'rule', allow: false, type: null }],
    ['/tessera on images', { kind: 'rule', allow: true, type: 'image' }],
    ['/tessera off video', { kind: 'rule', allow: false, type: 'video' }],
    ['/tessera off cats', { kind: 'rule_help' }],
    ['/tessera', { kind: 'rule_help' }],
    ['Hello!', { kind: 'greeting' }],
    ['hi there', { kind: 'greeting' }],
    ['Thank you so much', { kind: 'thanks' }],
    ['what can you do?', { kind: 'help' }],
    ['how many tokens do I have left?', { kind: 'plan' }],
    ['how much is pro?', { kind: 'upgrade' }],
    ['how long will it take?', { kind: 'status', jobId: null }],
    ['is it ready yet?', { kind: 'status', jobId: null }],
    ['cancel it', { kind: 'cancel', jobId: null }],
    ['Stop!', { kind: 'cancel', jobId: null }],
    [`status of ${JOB}`, { kind: 'status', jobId: JOB }],
    ['', { kind: 'help' }],
  ])('%s', (text, command) => {
    expect(read(text)).toEqual(command);
  });

  it.each([
    ['again', 'again'],
    ['Do it again!', 'again'],
    ['another one please', 'again'],
    ['one more', 'again'],
    ['vary it', 'vary'],
    ['variations', 'vary'],
    ['Upscale', 'upscale'],
    ['try again', 'retry'],
  ])('means the last result, and its button: %s', (text, deed) => {
    expect(read(text)).toEqual({ kind: 'deed', deed });
    for (const type of ['text', 'speech', 'transcription'] as const) {
      expect(read(text, type).kind).toBe('request');
    }
  });

  it.each([
    ['make it darker', true],
    ['with a red hat', true],
    ['now at night', true],
    ['please add a moon', true],
    ['16:9', true],
    ['a castle on a hill', false],
    ['my grandmother loves this', false],
  ])('said about a picture of ours, is a change to it or asked about: %s', (text, isSure) => {
    const command = readCommand(text, { type: 'image', file: 'picture', isChange: true });
    if (command.kind !== 'request') throw new Error(command.kind);
    const doubts = command.draft.doubts.map(({ about }) => about.reason);
    expect(doubts.includes('is_it_a_prompt')).toBe(!isSure);
  });

  it('lets a talker answer small talk itself, and a speaker speak a question', () => {
    expect(draftOf('Hello!', 'text').fields).toEqual({ prompt: 'Hello!' });
    expect(draftOf('How are you?', 'text').doubts).toEqual([]);
    expect(draftOf('How are you today?', 'speech').doubts).toEqual([]);
  });

  it('takes the fields of a form before what the words say', () => {
    const context = { type: 'image', file: null, fields: { seed: 9 } } as const;
    const command = readSlash('generate', 'a cat, 512x512, seed 3', context);
    expect(command).toMatchObject({
      draft: { fields: { prompt: 'a cat', width: 512, height: 512, seed: 9 } },
    });
  });
});

describe('laws', () => {
  const type = fc.constantFrom(...JOB_TYPES);
  const word = fc.constantFrom(
    'a',
    'red',
    'fox',
    'in',
    'the',
    'snow',
    'at',
    'dawn',
    'old',
    'house',
  );
  const words = fc
    .array(word, { minLength: 2, maxLength: 12 })
    .map((list) => `fox ${list.join(' ')} hill`);

  it('reads any text without an error, and a draft without doubts is a valid request', () => {
    const text = fc.oneof(
      fc.string({ maxLength: 200, unit: 'binary' }),
      fc.string({ maxLength: 80, unit: 'grapheme' }),
      fc
        .array(
          fc.constantFrom(
            'cat',
            '30',
            'steps',
            'seed',
            ',',
            '--no',
            '512x512',
            'without',
            'of',
            '4',
            'images',
            '/',
            ':',
            '16:9',
            '\n',
            'using',
            'model',
            '?',
          ),
          { maxLength: 12 },
        )
        .map((list) => list.join(' ')),
    );
    fc.assert(
      fc.property(text, type, (said, of) => {
        const command = readCommand(said, { type: of, file: null });
        if (command.kind !== 'request' || command.draft.doubts.length > 0) return;
        const { prompt, ...fields } = command.draft.fields;
        const named = of === 'speech' ? { input: prompt } : { prompt };
        const request = JobRequest.safeParse({ type: of, ...fields, ...named });
        // Control characters are the request's own affair.
        if (request.success) return;
        expect(request.error.issues.map(({ message }) => message).join()).toMatch(/control/);
      }),
      { numRuns: 2000 },
    );
  });

  it('keeps plain words as they are', () => {
    fc.assert(
      fc.property(words, (prompt) => {
        const { fields } = draftOf(prompt);
        expect(fields.prompt).toBe(prompt);
      }),
    );
  });

  it('reads back every setting that it may be given, in any order', () => {
    const settings = fc.record({
      steps: fc.integer({ min: 1, max: 150 }),
      seed: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      count: fc.integer({ min: 2, max: 4 }),
      width: fc.integer({ min: 8, max: 256 }).map((n) => n * 8),
      height: fc.integer({ min: 8, max: 256 }).map((n) => n * 8),
    });
    fc.assert(
      fc.property(words, settings, fc.nat(), (prompt, given, turn) => {
        const { steps, seed, count, width, height } = given;
        const parts = [`${steps} steps`, `seed ${seed}`, `${count} images`, `${width}x${height}`];
        const turned = parts.map((_, index) => parts[(index + turn) % parts.length]);
        const draft = draftOf(`${prompt}, ${turned.join(', ')}`);
        expect(draft).toEqual({ type: 'image', fields: { prompt, ...given }, doubts: [] });
      }),
    );
  });
});
