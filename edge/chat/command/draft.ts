/**
 * What was understood of a request so far: fields of a job request, and doubts. A doubt is a
 * question with choices, each of which changes fields; a draft with doubts is never submitted.
 * JSON throughout, since a conversation keeps it until it is answered. Pure.
 */
import type { JobType } from '#schema/model.ts';

/** Fields of a job request that a chat can give; null takes one back. */
export interface Fields {
  readonly model?: string | null;
  readonly prompt?: string;
  readonly negative_prompt?: string | null;
  readonly width?: number | null;
  readonly height?: number | null;
  readonly steps?: number | null;
  readonly guidance?: number | null;
  readonly seed?: number | null;
  readonly count?: number | null;
  readonly strength?: number | null;
  readonly upscale?: number | null;
  readonly duration_s?: number | null;
  readonly fps?: number | null;
  readonly max_tokens?: number | null;
  readonly temperature?: number | null;
  readonly voice?: string | null;
  readonly speed?: number | null;
  readonly language?: string | null;
  readonly format?: string | null;
  readonly lyrics?: string | null;
  readonly translate?: boolean | null;
  readonly timestamps?: string | null;
  readonly input_image?: string | null;
  readonly file?: string | null;
  /** Image: the job whose picture it is made of, and whose words these are added to. */
  readonly from_job?: string | null;
  /** Text: what the words are said in answer to. */
  readonly answered?: string | null;
}
export type FieldName = keyof Fields;

export type DoubtReason =
  | { readonly reason: 'no_prompt'; readonly type: JobType }
  | { readonly reason: 'no_file'; readonly type: JobType }
  /** A question or a word that may be no prompt. */
  | {
      readonly reason: 'is_it_a_prompt';
      readonly said: string;
      readonly type: JobType;
      /** It talks of something that is there already. */
      readonly isAbout: boolean;
    }
  | { readonly reason: 'other_type'; readonly asked: JobType; readonly have: JobType }
  | { readonly reason: 'unknown_model'; readonly said: string }
  /** Of settings that exist, one without a usable value. */
  | { readonly reason: 'bad_value'; readonly field: string; readonly said: string }
  | { readonly reason: 'unknown_setting'; readonly said: string }
  | {
      readonly reason: 'out_of_bounds';
      readonly field: string;
      readonly value: number;
      readonly limit: number;
    }
  | { readonly reason: 'odd_size'; readonly width: number; readonly height: number }
  | { readonly reason: 'odd_ratio'; readonly said: string }
  | { readonly reason: 'two_values'; readonly field: string; readonly said: readonly string[] }
  /** Words that may be a setting or a part of what is to be seen. */
  | { readonly reason: 'setting_or_prompt'; readonly said: string; readonly type: JobType }
  | { readonly reason: 'how_many' };

export interface Choice {
  readonly label: string;
  readonly fields: Fields;
}

export interface Doubt {
  readonly about: DoubtReason;
  readonly choices: readonly Choice[];
}

export interface Draft {
  readonly type: JobType;
  readonly fields: Fields;
  readonly doubts: readonly Doubt[];
}

/** The draft once its first doubt is settled by this choice; null when there is no such choice. */
export function choose(draft: Draft, choice: number): Draft | null {
  const [doubt, ...doubts] = draft.doubts;
  const chosen = doubt?.choices[choice];
  if (!chosen) return null;
  return { type: draft.type, fields: merge(draft.fields, chosen.fields), doubts };
}

/** Later fields win; null takes one back. */
export function merge(fields: Fields, more: Fields): Fields {
  const entries = Object.entries({ ...fields, ...more });
  return Object.fromEntries(entries.filter(([, value]) => value !== null && value !== undefined));
}
