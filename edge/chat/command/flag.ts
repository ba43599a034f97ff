/**
 * Flags (`--steps 30 --no text, people`) and labelled lines (`Negative prompt: …`, `Steps: 30,
 * Seed: 7`), as other picture tools have them. A label that is none of ours is asked about.
 * Pure.
 */
import { VIDEO_DURATION_S_MAX } from '#schema/limits.ts';
import type { JobType } from '#schema/model.ts';
import type { Doubt, Fields } from './draft.ts';
import { combine, readSettings } from './setting.ts';
import type { Reading } from './setting.ts';

/** What a flag is called among the settings; `negative` takes words. */
const FLAGS: Readonly<Record<string, string>> = {
  no: 'negative',
  neg: 'negative',
  negative: 'negative',
  n: 'count',
  num: 'count',
  count: 'count',
  s: 'steps',
  steps: 'steps',
  seed: 'seed',
  cfg: 'guidance',
  guidance: 'guidance',
  scale: 'guidance',
  ar: 'ratio',
  aspect: 'ratio',
  ratio: 'ratio',
  size: 'size',
  m: 'model',
  model: 'model',
  strength: 'strength',
  upscale: 'upscale',
  duration: 'duration',
  length: 'duration',
  seconds: 'duration',
  fps: 'fps',
  voice: 'voice',
  speed: 'speed',
  lang: 'language',
  language: 'language',
  format: 'format',
  'max-tokens': 'max_tokens',
  temperature: 'temperature',
};
const FLAG = /(?:^|\s)--([a-z][a-z-]*)(?:[ =]+|$)/gi;
const NEGATIVE_LINE = /^[ \t]*negative(?: prompt)?[ \t]*[:=][ \t]*(.*)$/im;
/** `Steps: 30, Sampler: Euler a, Seed: 7` */
const LABELS_LINE = /^[ \t]*(?:[a-z][a-z ]{1,20}:[ \t]*[^,:\n]+(?:,[ \t]*|$)){2,}$/im;
const LABEL = /^([a-z][a-z ]{1,20}):\s*(.+)$/i;

interface Flagged {
  /** The text without its flags. */
  readonly rest: string;
  readonly fields: Fields;
  readonly doubts: readonly Doubt[];
}

/** Takes flags and labelled lines out of a text. */
export function readFlags(text: string, type: JobType): Flagged {
  let reading: Reading = { fields: {}, doubts: [], plain: false };
  let rest = text;
  const isPicture = type === 'image' || type === 'video';
  const negative = isPicture ? NEGATIVE_LINE.exec(rest) : null;
  if (negative) {
    rest = rest.replace(negative[0], '');
    if (negative[1]!.trim() !== '') {
      const fields = { negative_prompt: negative[1]!.trim() };
      reading = combine(reading, { fields, doubts: [], plain: false });
    }
  }
  const labels = isPicture ? LABELS_LINE.exec(rest) : null;
  const pairs = labels ? labels[0].split(',').map((part) => LABEL.exec(part.trim())) : [];
  if (labels && pairs.some((pair) => pair && nameOf(pair[1]!))) {
    rest = rest.replace(labels[0], '');
    for (const pair of pairs) {
      if (pair) reading = combine(reading, readFlag(pair[1]!, pair[2]!, type));
    }
  }
  const flags = [...rest.matchAll(FLAG)];
  for (const [index, flag] of flags.entries()) {
    const from = flag.index + flag[0].length;
    const value = rest.slice(from, flags[index + 1]?.index ?? rest.length).trim();
    reading = combine(reading, readFlag(flag[1]!, value, type));
  }
  if (flags.length > 0) rest = rest.slice(0, flags[0]!.index);
  return { rest, fields: reading.fields, doubts: reading.doubts };
}

function nameOf(flag: string): string | undefined {
  const key = flag.trim().toLowerCase().replaceAll(' ', '-');
  return Object.hasOwn(FLAGS, key) ? FLAGS[key] : LONG[key];
}

const LONG: Readonly<Record<string, string>> = {
  'cfg-scale': 'guidance',
  'denoising-strength': 'strength',
  'batch-size': 'count',
};

function readFlag(flag: string, value: string, type: JobType): Reading {
  const name = nameOf(flag);
  if (name === undefined) return unknown(`${flag} ${value}`.trim());
  if (name === 'negative' && type !== 'image' && type !== 'video')
    return unknown(`${flag} ${value}`);
  if (name === 'negative') {
    return { fields: { negative_prompt: value }, doubts: [], plain: false };
  }
  const bare = value.replace(/^["']|["']$/g, '');
  const read = readSettings(PHRASES[name]?.(bare) ?? `${name} ${bare}`, type);
  if (read && !('prompt' in read.fields)) return { ...read, plain: false };
  const about = { reason: 'bad_value', field: name, said: value.slice(0, 40) } as const;
  return { fields: {}, doubts: [{ about, choices: [LEAVE_OUT] }], plain: false };
}

/** How a flag's value reads as a setting in words. */
const PHRASES: Readonly<Record<string, (value: string) => string>> = {
  count: (value) => `count: ${value}`,
  ratio: (value) => `ratio ${value}`,
  model: (value) => `model ${value}`,
  max_tokens: (value) => `max tokens ${value}`,
  duration: (value) => (Number(value) > VIDEO_DURATION_S_MAX * 1000 ? value : `duration ${value}`),
};

const LEAVE_OUT = { label: 'Leave it out', fields: {} } as const;

function unknown(said: string): Reading {
  const about = { reason: 'unknown_setting', said: said.slice(0, 40) } as const;
  return { fields: {}, doubts: [{ about, choices: [LEAVE_OUT] }], plain: false };
}
