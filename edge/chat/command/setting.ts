/**
 * The settings of a request in words: "30 steps", "seed 7", "1024x1024", "using flux dev". Each
 * pattern reads from the start of a text. One that is `plain` may as well be a part of what is to
 * be seen ("with 30 steps"); the caller judges by its place. Pure.
 */
import { assert } from '#schema/assert.ts';
import {
  IMAGE_COUNT_MAX,
  MUSIC_DURATION_S_MAX,
  MUSIC_DURATION_S_MIN,
  SEED_MAX,
  STEPS_MAX,
  TEXT_TOKENS_MAX,
  VIDEO_DURATION_S_MAX,
  VIDEO_FPS_MAX,
} from '#schema/limits.ts';
import { modelsOf } from '#schema/model.ts';
import type { JobType, Model } from '#schema/model.ts';
import type { Doubt, FieldName, Fields } from './draft.ts';
import { hasOddName, isUnmistakable, nameModel } from './model.ts';
import { DECIMAL, WHOLE, toNumber } from './number.ts';
import { FORMATS, readRatio, readSize } from './size.ts';

/** What a stretch of text says. */
export interface Reading {
  readonly fields: Fields;
  readonly doubts: readonly Doubt[];
  readonly plain: boolean;
}

interface Pattern {
  readonly types: readonly JobType[];
  readonly form: RegExp;
  readonly plain?: boolean;
  /** Null: it is no setting after all. */
  readonly read: (match: RegExpExecArray, type: JobType) => Omit<Reading, 'plain'> | null;
}

const PICTURE: readonly JobType[] = ['image', 'video'];
const SEEDED: readonly JobType[] = ['image', 'video', 'text', 'music'];
const ALL: readonly JobType[] = ['image', 'video', 'text', 'speech', 'music', 'transcription'];
const IS = String.raw`\s*(?:[:=#]|\bis\b|\bof\b)?\s*`;

/** The least and the most that a field may be, over all models of a type. */
function boundsOf(field: FieldName, type: JobType): readonly [number, number] {
  switch (field) {
    case 'steps':
      return [1, STEPS_MAX];
    case 'seed':
      return [0, SEED_MAX];
    case 'count':
      return [1, IMAGE_COUNT_MAX];
    case 'guidance':
      return [0, 30];
    case 'strength':
      return [0, 1];
    case 'fps':
      return [1, VIDEO_FPS_MAX];
    case 'max_tokens':
      return [1, TEXT_TOKENS_MAX];
    case 'temperature':
      return [0, 2];
    case 'speed':
      return [0.25, 4];
    default:
      assert(field === 'duration_s', 'every number has bounds');
      return type === 'video'
        ? [0.5, VIDEO_DURATION_S_MAX]
        : [MUSIC_DURATION_S_MIN, MUSIC_DURATION_S_MAX];
  }
}

/** A number within its bounds, or the question whether the bound will do. */
export function readNumber(field: FieldName, value: number, type: JobType): Omit<Reading, 'plain'> {
  const [least, most] = boundsOf(field, type);
  if (value >= least && value <= most) return { fields: { [field]: value }, doubts: [] };
  const limit = value > most ? most : least;
  const choices = [{ label: `${nameField(field)} ${limit}`, fields: { [field]: limit } }];
  return {
    fields: {},
    doubts: [{ about: { reason: 'out_of_bounds', field, value, limit }, choices }],
  };
}

/** A model by its name, or the question which. */
export function readModel(said: string, type: JobType): Omit<Reading, 'plain'> {
  const named = nameModel(said, type);
  if (named.kind === 'one') return { fields: { model: named.model.id }, doubts: [] };
  const models = named.kind === 'perhaps' ? named.models : modelsOf(type);
  const known = models.map(({ id }: Model) => ({ label: id, fields: { model: id } }));
  const choices = [...known, { label: 'Whichever is on', fields: { model: null } }];
  const about = { reason: 'unknown_model', said: said.slice(0, 40) } as const;
  return { fields: {}, doubts: [{ about, choices }] };
}

/** What a field is called in a chat. */
export function nameField(field: string): string {
  return field === 'duration_s' ? 'seconds' : field.replaceAll('_', ' ');
}

function number(
  field: FieldName,
  types: readonly JobType[],
  more: { form: string; plain?: boolean },
) {
  const { form, plain = false } = more;
  return {
    types,
    plain,
    form: new RegExp(`^(?:${form})`, 'i'),
    read: (match: RegExpExecArray, type: JobType) =>
      readNumber(field, toNumber(match.slice(1).find((part) => part !== undefined)!), type),
  } satisfies Pattern;
}

function isPicture(type: JobType): type is 'image' | 'video' {
  return type === 'image' || type === 'video';
}

const TEXTUAL: readonly Pattern[] = [
  {
    types: PICTURE,
    form: /^(?:size\s*[:=]?\s*)?(\d{2,5})\s*(?:px\s*)?[x×*]\s*(\d{2,5})(?:\s*(?:px|pixels?))?/i,
    read: (match, type) =>
      isPicture(type) ? readSize(type, Number(match[1]), Number(match[2])) : null,
  },
  {
    types: PICTURE,
    form: /^(?:size\s*[:=]?\s*(\d{2,5})(?:\s*(?:px|pixels?))?|(\d{3,5})\s*(?:px|pixels?))/i,
    read: (match, type) => {
      const side = Number(match[1] ?? match[2]);
      return isPicture(type) ? readSize(type, side, side) : null;
    },
  },
  {
    types: PICTURE,
    form: /^(?:(?:size|aspect(?: ratio)?|ratio|ar)\s*[:=]?\s*)?(\d{1,2})\s*:\s*(\d{1,2})(?:\s+(?:aspect ratio|aspect|ratio|format))?/i,
    read: (match, type) =>
      isPicture(type) ? readRatio(type, Number(match[1]), Number(match[2])) : null,
  },
  {
    types: PICTURE,
    form: new RegExp(
      String.raw`^(?:(?:size|aspect(?: ratio)?|format|orientation)\s*[:=]?\s*)?(${Object.keys(FORMATS).join('|')})(?:\s+(?:format|orientation|mode|size|aspect(?: ratio)?))`,
      'i',
    ),
    read: (match, type) => readFormat(match[1]!, type),
  },
  {
    types: PICTURE,
    plain: true,
    form: new RegExp(`^(${Object.keys(FORMATS).join('|')})`, 'i'),
    read: (match, type) => readFormat(match[1]!, type),
  },
  {
    types: SEEDED,
    form: /^(?:(?:a\s+)?(?:random|new)\s+seed|seed\s*[:=]?\s*(?:random|-1))/i,
    read: () => ({ fields: {}, doubts: [] }),
  },
  {
    types: ['image'],
    form: /^(?:upscaled?\s*(?:by\s*)?[:=]?\s*(\d)x?|(\d)x\s+upscaled?)/i,
    read: (match) => {
      const factor = Number(match[1] ?? match[2]);
      if (factor === 2 || factor === 4) return { fields: { upscale: factor }, doubts: [] };
      const choices = [2, 4].map((upscale) => ({ label: `${upscale}x`, fields: { upscale } }));
      const about = { reason: 'bad_value', field: 'upscale', said: String(factor) } as const;
      return { fields: {}, doubts: [{ about, choices }] };
    },
  },
  {
    types: ['music'],
    form: new RegExp(
      String.raw`^(?:a\s+)?(${DECIMAL}|${WHOLE})[\s-]*(?:minutes?|mins?)\b(?:\s+long)?`,
      'i',
    ),
    read: (match, type) => readNumber('duration_s', toNumber(match[1]!) * 60, type),
  },
  {
    types: ALL,
    form: /^model\s*[:=]?\s*([a-z0-9][a-z0-9 ._-]{0,40})/i,
    read: (match, type) => readModel(match[1]!, type),
  },
  {
    types: ALL,
    form: /^using\s+(?:the\s+)?(?:model\s+)?([a-z0-9][a-z0-9 ._-]{0,40})/i,
    read: (match, type) => {
      const said = match[1]!.replace(/\s+model$/i, '');
      const named = nameModel(said, type);
      if (named.kind === 'none') return null;
      // "Using paint" is no slip of a model's name.
      if (named.kind === 'perhaps' && !named.models.some(hasOddName)) return null;
      return readModel(said, type);
    },
  },
  {
    types: ALL,
    form: /^(?:the\s+)?([a-z0-9][a-z0-9._-]*(?:\s+[a-z0-9._-]+){0,2}?)(?:\s+model)?$/i,
    read: (match, type) => (isUnmistakable(match[1]!, type) ? readModel(match[1]!, type) : null),
  },
  {
    types: ['speech'],
    form: /^voice\s*[:=]?\s*([a-z0-9_+().-]{1,64})/i,
    read: (match) => ({ fields: { voice: match[1]! }, doubts: [] }),
  },
  {
    types: ['speech', 'transcription'],
    form: /^lang(?:uage)?\s*[:=]?\s*([a-z]{2,3}(?:-[a-z]{2,4})?)\b/i,
    read: (match) => ({ fields: { language: match[1]! }, doubts: [] }),
  },
  {
    types: ['speech', 'music'],
    form: /^(?:as\s+|format\s*[:=]?\s*)(wav|mp3|ogg)/i,
    read: (match) => ({ fields: { format: match[1]!.toLowerCase() }, doubts: [] }),
  },
  {
    types: ['transcription'],
    form: /^(?:as\s+|format\s*[:=]?\s*)(json|text|srt|vtt)/i,
    read: (match) => ({ fields: { format: match[1]!.toLowerCase() }, doubts: [] }),
  },
  {
    types: ['transcription'],
    form: /^(?:translated?|(?:in)?to english)(?: (?:in)?to english)?/i,
    read: () => ({ fields: { translate: true }, doubts: [] }),
  },
];

const NUMBERS: readonly Pattern[] = [
  number('steps', PICTURE, {
    form: String.raw`(${WHOLE})\s+(?:sampling\s+|diffusion\s+)?steps?\b|(\d{1,12})steps?\b`,
    plain: true,
  }),
  number('steps', PICTURE, { form: String.raw`steps?${IS}(\d{1,12})\b` }),
  number('seed', SEEDED, { form: String.raw`(?:the\s+)?seed${IS}(?:number\s+)?(\d{1,12})\b` }),
  number('guidance', PICTURE, {
    form: String.raw`(?:guidance|cfg)(?:[ _-]?scale)?${IS}(${DECIMAL})|(${DECIMAL})\s+(?:guidance|cfg)\b`,
  }),
  number('count', ['image'], {
    form: String.raw`(${WHOLE})\s+(?:images|pictures|pics|photos|variants|variations|versions|copies|results)\b|(${WHOLE})\s+of\s+(?:them|these|it)\b`,
    plain: true,
  }),
  number('count', ['image'], {
    form: String.raw`(?:count|number|n)\s*[:=]\s*(\d{1,12})\b|(?:count|batch(?:\s+size)?)\s+(\d{1,12})\b|x(\d{1,2})\b`,
  }),
  number('strength', ['image'], { form: String.raw`(?:strength|denoise)${IS}(${DECIMAL})` }),
  number('fps', ['video'], {
    form: String.raw`(${WHOLE})\s*(?:fps|frames (?:per|a) second)\b|fps${IS}(\d{1,12})\b`,
  }),
  number('duration_s', ['video', 'music'], {
    form: String.raw`(?:for\s+)?(${DECIMAL}|${WHOLE})[\s-]*(?:seconds?|secs?|s)\b(?:\s+long)?|(?:duration|length|seconds)${IS}(${DECIMAL})(?:\s*(?:seconds?|secs?|s)\b)?`,
  }),
  number('max_tokens', ['text'], { form: String.raw`max[ _-]?tokens${IS}(\d{1,12})\b` }),
  number('temperature', ['text'], { form: String.raw`temperature${IS}(${DECIMAL})` }),
  number('speed', ['speech'], { form: String.raw`speed${IS}(${DECIMAL})` }),
];

const PATTERNS: readonly Pattern[] = [...NUMBERS, ...TEXTUAL];
const LINK = /^(?:and|with|at|in|as|on|for|make it|use|&|\+|please|,)\s+/i;

function readFormat(said: string, type: JobType): Omit<Reading, 'plain'> | null {
  const ratio = FORMATS[said.toLowerCase()];
  return ratio && isPicture(type) ? readRatio(type, ...ratio) : null;
}

/**
 * A text that consists of nothing but settings, with words between them like "and"; else null.
 * `plain` when it could be something else altogether.
 */
export function readSettings(text: string, type: JobType): Reading | null {
  let rest = text.trim().replace(/[\s.!]+$/, '');
  let reading: Reading = { fields: {}, doubts: [], plain: true };
  if (rest === '') return null;
  while (rest !== '') {
    const step = readFirst(rest, type);
    if (step) {
      reading = combine(reading, step.reading);
      rest = rest.slice(step.length).trimStart();
      continue;
    }
    const link = LINK.exec(rest);
    if (!link) return null;
    rest = rest.slice(link[0].length);
  }
  return reading;
}

function readFirst(text: string, type: JobType): { reading: Reading; length: number } | null {
  for (const { types, form, plain = false, read } of PATTERNS) {
    const match = types.includes(type) ? form.exec(text) : null;
    // What goes on within a word or number is something else.
    if (!match || /^[\p{L}\p{N}_]/u.test(text.slice(match[0].length))) continue;
    const reading = read(match, type);
    if (reading) return { reading: { ...reading, plain }, length: match[0].length };
  }
  return null;
}

/** Both together; a value that is said twice, and differently, is a doubt. */
export function combine(first: Reading, second: Reading): Reading {
  const plain = first.plain && second.plain;
  const doubts = [...first.doubts, ...second.doubts];
  const names = Object.keys(second.fields) as FieldName[];
  const clash = names.find(
    (name) => first.fields[name] !== undefined && first.fields[name] !== second.fields[name],
  );
  if (clash === undefined) {
    return { fields: { ...first.fields, ...second.fields }, doubts, plain };
  }
  const isSize = clash === 'width' || clash === 'height';
  const sides = [first, second].map(({ fields }) => pick(fields, isSize ? SIZE : [clash]));
  const choices = sides.map((fields) => ({ label: describe(fields), fields }));
  const field = isSize ? 'size' : clash;
  const about = { reason: 'two_values', field, said: choices.map(({ label }) => label) } as const;
  const kept = { ...second.fields, ...first.fields };
  return { fields: kept, doubts: [...doubts, { about, choices }], plain };
}

const SIZE: readonly FieldName[] = ['width', 'height'];

function pick(fields: Fields, names: readonly FieldName[]): Fields {
  return Object.fromEntries(names.map((name) => [name, fields[name]]));
}

function describe(fields: Fields): string {
  if (fields.width !== undefined) return `${fields.width}x${fields.height}`;
  return Object.entries(fields)
    .map(([name, value]) => `${nameField(name)} ${value}`)
    .join(' ');
}
