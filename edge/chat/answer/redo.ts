/** A job as a request that can be made again, or changed and made. Pure. */
import type { JobSpec } from '#schema/job.ts';
import type { JobRecord } from '#schema/record.ts';
import type { Draft, Fields } from '../command/draft.ts';
import { merge } from '../command/draft.ts';
import { wordsOf } from '../reply/format.ts';

/** What was deleted has no words left; only a transcription never had any. */
export function isDeleted({ spec }: JobRecord): boolean {
  return spec.type !== 'transcription' && (wordsOf(spec) ?? '') === '';
}

/** A job's request again, changed; null takes a field out. */
export function toDraft(spec: JobSpec, change: Fields): Draft {
  const { type, ...parameters } = spec;
  return { type, fields: merge(toFields(spec.type, parameters), change), doubts: [] };
}

/** The parameters of a spec that stand for themselves in a request. */
function toFields(type: JobSpec['type'], parameters: Record<string, unknown>): Fields {
  const given = Object.entries(parameters).filter(([name, value]) => {
    if (value === null || value === '' || value === false) return false;
    if (Array.isArray(value)) return value.length > 0;
    switch (name) {
      case 'strength':
        return parameters['input_image'] !== null;
      case 'upscale':
        return value !== 1;
      case 'guidance':
        return value !== 0;
      case 'language':
        return value !== (type === 'speech' ? 'en' : 'auto');
      case 'duration_s':
        // Of a recording it is the file's own.
        return type !== 'transcription';
      default:
        return true;
    }
  });
  const { input, ...fields } = Object.fromEntries(given) as Fields & { input?: string };
  return input === undefined ? fields : { ...fields, prompt: input };
}
