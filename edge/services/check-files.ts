/**
 * Looks at the files that a job is to work on before it is admitted: each is there, its owner's,
 * of the kind that the field takes, and lives long enough for the job to wait its turn. A
 * recording's length becomes part of the job, which is priced by it.
 */
import { purposeOf } from '#schema/file.ts';
import type { FilePurpose } from '#schema/file.ts';
import type { JobSpec } from '#schema/job.ts';
import { FILE_MARGIN_MS } from '#schema/limits.ts';
import { findModel } from '#schema/model.ts';
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';
import type { Env } from '../env.ts';
import { findFile } from './find-file.ts';
import type { StoredFile } from './store-file.ts';

export interface UnknownFile {
  readonly reason: 'unknown_file';
  readonly field: string;
  readonly file: string;
  readonly why: 'missing' | 'expires' | 'needed' | FilePurpose;
}

/** The files that a job names, by the field that does. */
export function filesOf(spec: JobSpec): { field: string; file: string; takes: FilePurpose }[] {
  if (spec.type === 'transcription') {
    return [{ field: 'file', file: spec.file, takes: 'audio' }];
  }
  if (spec.type !== 'image' && spec.type !== 'video') return [];
  const named = {
    input_image: spec.input_image,
    mask: spec.type === 'image' ? spec.mask : null,
  };
  return Object.entries(named).flatMap(([field, file]) =>
    file === null ? [] : [{ field, file, takes: 'image' as const }],
  );
}

/** The job with what its files tell, or which of them cannot be worked on. */
export async function checkFiles(
  env: Env,
  { spec, accountId }: { readonly spec: JobSpec; readonly accountId: string },
  now: number,
): Promise<Result<JobSpec, UnknownFile>> {
  if (lacksImage(spec)) {
    return fail({ reason: 'unknown_file', field: 'input_image', file: '', why: 'needed' });
  }
  let known = spec;
  for (const { field, file, takes } of filesOf(spec)) {
    const found = await findFile(env, { fileId: file, accountId }, now);
    const why = found ? faultOf(found, takes, now) : 'missing';
    if (why) return fail({ reason: 'unknown_file', field, file, why });
    if (known.type === 'transcription' && found?.durationS) {
      known = { ...known, duration_s: found.durationS };
    }
  }
  return ok(known);
}

/** A mask is of a picture, and some models begin with one. */
function lacksImage(spec: JobSpec): boolean {
  if (spec.type !== 'image' && spec.type !== 'video') return false;
  const hasMask = spec.type === 'image' && spec.mask !== null;
  return spec.input_image === null && (hasMask || findModel(spec.model)?.needsImage === true);
}

function faultOf(file: StoredFile, takes: FilePurpose, now: number): UnknownFile['why'] | null {
  if (purposeOf(file.contentType) !== takes) return takes;
  return file.expiresAt - now < FILE_MARGIN_MS ? 'expires' : null;
}
