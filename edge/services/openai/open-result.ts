/** Opens the file of a result, to be part of an answer; a file that is gone is `result_gone`. */
import { ContentType } from '#schema/artifact.ts';
import type { ArtifactRole } from '#schema/artifact.ts';
import type { JobRecord } from '#schema/record.ts';
import type { Result } from '../../core/result.ts';
import { fail, ok } from '../../core/result.ts';
import type { Env } from '../../env.ts';

export type OpenRefusal = { readonly reason: 'result_gone'; readonly jobId: string };

export interface OpenedResult {
  readonly contentType: string;
  readonly object: R2ObjectBody;
}

/** The result at this place among the job's, or its thumbnail. */
export async function openResult(
  env: Env,
  record: JobRecord,
  { index, role = 'result' }: { index: number; role?: ArtifactRole },
): Promise<Result<OpenedResult, OpenRefusal>> {
  const artifact = record.artifacts[index];
  const key = role === 'result' ? artifact?.key : artifact?.thumbnailKey;
  const object = key ? await env.artifacts.get(key) : null;
  if (!object) return fail({ reason: 'result_gone', jobId: record.id });
  const { data: type = 'application/octet-stream' } = ContentType.safeParse(
    object.httpMetadata?.contentType,
  );
  return ok({ object, contentType: type });
}
