/**
 * Model names as people write them. A name is a model when it can be no other; anything near is
 * asked about. Names that are words of the language ("painter") count only where a model is named
 * as such. Pure.
 */
import { modelsOf } from '#schema/model.ts';
import type { JobType, Model } from '#schema/model.ts';
import { nearest } from '#schema/near.ts';

/** Other names, without spaces, dots and dashes. */
const ALIASES: Readonly<Record<string, readonly string[]>> = {
  sdxl: ['sd', 'sdxl10', 'stablediffusion', 'stablediffusionxl', 'stablediffusionsdxl'],
  'flux-schnell': ['flux1schnell', 'schnell', 'fluxfast'],
  'flux-dev': ['flux1dev', 'fluxdevelopment'],
  'ltx-video': ['ltx', 'ltxv', 'ltxvideo'],
  'wan-2.1': ['wan', 'wan21', 'wanvideo'],
  svd: ['stablevideodiffusion', 'stablevideo'],
  'ace-step': ['ace', 'acestep'],
  'stable-audio': ['stableaudio'],
};

export type ModelNamed =
  | { readonly kind: 'one'; readonly model: Model }
  /** Several it may be, nearest first; of these none is meant for sure. */
  | { readonly kind: 'perhaps'; readonly models: readonly Model[] }
  | { readonly kind: 'none' };

/** The model of a type that a name means. */
export function nameModel(said: string, type: JobType): ModelNamed {
  const key = fold(said);
  const models = modelsOf(type);
  if (key === '') return { kind: 'none' };
  const exact = models.find((model) => keysOf(model).includes(key));
  if (exact) return { kind: 'one', model: exact };
  const begun = key.length >= 3 ? models.filter((model) => fold(model.id).startsWith(key)) : [];
  if (begun.length > 0) return { kind: 'perhaps', models: begun };
  const byKey = new Map(models.flatMap((model) => keysOf(model).map((name) => [name, model])));
  const near = nearest(key, [...byKey.keys()]).map((name) => byKey.get(name)!);
  return near.length > 0 ? { kind: 'perhaps', models: [...new Set(near)] } : { kind: 'none' };
}

/** Whether a name can be nothing but a model's, wherever it stands. */
export function isUnmistakable(said: string, type: JobType): boolean {
  const named = nameModel(said, type);
  return named.kind === 'one' && hasOddName(named.model);
}

/** Whether a model's name is no word of the language. */
export function hasOddName({ id }: Model): boolean {
  return /[\d-]/.test(id) || id === 'sdxl' || id === 'svd';
}

/** For autocomplete: models of a type whose name has what was typed so far, then near ones. */
export function suggestModels(typed: string, type: JobType): readonly Model[] {
  const key = fold(typed);
  const models = modelsOf(type);
  const holding = models.filter((model) => keysOf(model).some((name) => name.includes(key)));
  if (holding.length > 0) return holding;
  const named = nameModel(typed, type);
  return named.kind === 'perhaps' ? named.models : models;
}

function keysOf(model: Model): string[] {
  return [fold(model.id), fold(model.title), ...(ALIASES[model.id] ?? [])];
}

function fold(name: string): string {
  return name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]/g, '')
    .slice(0, 64);
}
