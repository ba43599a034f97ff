/**
 * Uploads the outputs of one job: every file is hashed, then streamed with its length and
 * SHA-256, results and thumbnails at once; a large result goes in parts (parts.ts). One try: what
 * arrived is remembered in `done`, so that the session's next try sends only the rest. Never
 * holds a file in memory.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { UploadAnswer } from '#schema/agent-protocol.ts';
import type { Artifact, ArtifactRole, ContentType } from '#schema/artifact.ts';
import { ARTIFACT_BYTES_MAX, THUMBNAIL_BYTES_MAX, UPLOAD_PART_BYTES } from '#schema/limits.ts';
import { digestFile } from './digest.ts';
import type { EdgeClient, Result } from './edge-client.ts';
import type { Output } from './engines/engine.ts';
import { UPLOADS_MAX } from './limits.ts';
import { confirm, sendInParts } from './parts.ts';
import type { Grant, UploadFailure, UploadOutcome } from './session/state.ts';

interface File {
  readonly index: number;
  readonly role: ArtifactRole;
  readonly path: string;
  readonly contentType: ContentType;
}

/** What an upload asks of the edge. */
export type UploadEdge = Pick<EdgeClient, 'upload' | 'beginUpload' | 'uploadPart' | 'finishUpload'>;

export interface UploadTask {
  readonly edge: UploadEdge;
  readonly grant: Grant;
  readonly outputs: readonly Output[];
  /** Files that arrived, by index and role; filled as they do. */
  readonly done: Map<string, UploadAnswer>;
  readonly signal: AbortSignal;
}

/** Sends what is not `done`; gives the artifacts, or the first failure. */
export async function uploadOutputs(task: UploadTask): Promise<UploadOutcome> {
  const waiting = filesOf(task.outputs).filter((file) => !task.done.has(keyOf(file)));
  let failure: UploadFailure | null = null;
  const sender = async () => {
    for (let file = waiting.shift(); file && !failure; file = waiting.shift()) {
      const result = await uploadFile(task, file);
      if (result.ok) task.done.set(keyOf(file), result.value);
      else failure ??= result.failure;
    }
  };
  await Promise.all(Array.from({ length: Math.min(UPLOADS_MAX, waiting.length) }, sender));
  if (failure) return { ok: false, failure };
  return {
    ok: true,
    artifacts: task.outputs.map((output, index) => toArtifact(task, output, index)),
  };
}

/** Whether a result is so large that it goes in parts: sending it outlives a crash, if it is kept. */
export async function hasLarge(outputs: readonly Output[]): Promise<boolean> {
  for (const { path } of outputs) {
    // A file that is not there is for the upload to tell.
    const size = await stat(path).then(
      (found) => found.size,
      () => 0,
    );
    if (size > UPLOAD_PART_BYTES) return true;
  }
  return false;
}

function filesOf(outputs: readonly Output[]): File[] {
  return outputs.flatMap((output, index): File[] => {
    const result = { index, role: 'result' as const, ...placeOf(output) };
    const { thumbnail } = output;
    return thumbnail ? [result, { index, role: 'thumbnail', ...placeOf(thumbnail) }] : [result];
  });
}

function placeOf(file: { path: string; contentType: ContentType }) {
  return { path: file.path, contentType: file.contentType };
}

function keyOf(file: { index: number; role: ArtifactRole }): string {
  return `${file.index}/${file.role}`;
}

async function uploadFile(
  task: UploadTask,
  file: File,
): Promise<Result<UploadAnswer, UploadFailure>> {
  try {
    const { size } = await stat(file.path);
    const bytesMax = file.role === 'result' ? ARTIFACT_BYTES_MAX : THUMBNAIL_BYTES_MAX;
    if (size === 0 || size > bytesMax) {
      const detail = `${keyOf(file)} has ${size} bytes; 1 to ${bytesMax} are allowed`;
      const refused = { reason: 'refused', code: 'artifact_too_large' } as const;
      return { ok: false, failure: { ...refused, retryAfterMs: null, detail } };
    }
    return size > UPLOAD_PART_BYTES
      ? await sendInParts({ ...task, ...file })
      : await sendWhole(task, file);
  } catch (error) {
    if (task.signal.aborted) return { ok: false, failure: failureOf('aborted', 'given up') };
    return { ok: false, failure: failureOf('unreadable', String(error)) };
  }
}

async function sendWhole(
  { edge, grant, signal }: UploadTask,
  file: File,
): Promise<Result<UploadAnswer, UploadFailure>> {
  const digest = await digestFile(file.path, { signal });
  const open = () => createReadStream(file.path, { signal });
  return confirm(await edge.upload({ grant, ...file, ...digest, open }, signal), digest);
}

function failureOf(reason: 'aborted' | 'unreadable', detail: string) {
  return { reason, detail, retryAfterMs: null };
}

function toArtifact(task: UploadTask, output: Output, index: number): Artifact {
  const result = task.done.get(keyOf({ index, role: 'result' }));
  if (!result) throw new Error('assertion failed: every result was uploaded');
  const thumbnail = task.done.get(keyOf({ index, role: 'thumbnail' }));
  return {
    index,
    key: result.key,
    contentType: output.contentType,
    bytes: result.bytes,
    sha256: result.sha256,
    width: output.width,
    height: output.height,
    durationS: output.durationS,
    thumbnailKey: thumbnail?.key ?? null,
  };
}
