/**
 * Uploads the outputs of one job: every file is hashed, then streamed with its length and
 * SHA-256, results and thumbnails at once. One try: what arrived is remembered in `done`, so that
 * the session's next try sends only the rest. Never holds a file in memory.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { UploadAnswer } from '#schema/agent-protocol.ts';
import type { Artifact, ArtifactRole, ContentType } from '#schema/artifact.ts';
import { ARTIFACT_BYTES_MAX, THUMBNAIL_BYTES_MAX } from '#schema/limits.ts';
import type { EdgeClient, Result } from './edge-client.ts';
import type { Output } from './engines/engine.ts';
import { UPLOADS_MAX } from './limits.ts';
import type { Grant, UploadFailure, UploadOutcome } from './session/state.ts';

interface Part {
  readonly index: number;
  readonly role: ArtifactRole;
  readonly path: string;
  readonly contentType: ContentType;
}

export interface UploadTask {
  readonly edge: Pick<EdgeClient, 'upload'>;
  readonly grant: Grant;
  readonly outputs: readonly Output[];
  /** Files that arrived, by index and role; filled as they do. */
  readonly done: Map<string, UploadAnswer>;
  readonly signal: AbortSignal;
}

/** Sends what is not `done`; gives the artifacts, or the first failure. */
export async function uploadOutputs(task: UploadTask): Promise<UploadOutcome> {
  const waiting = partsOf(task.outputs).filter((part) => !task.done.has(keyOf(part)));
  let failure: UploadFailure | null = null;
  const sender = async () => {
    for (let part = waiting.shift(); part && !failure; part = waiting.shift()) {
      const result = await uploadPart(task, part);
      if (result.ok) task.done.set(keyOf(part), result.value);
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

function partsOf(outputs: readonly Output[]): Part[] {
  return outputs.flatMap((output, index): Part[] => {
    const result = { index, role: 'result' as const, ...pathOf(output) };
    const { thumbnail } = output;
    return thumbnail ? [result, { index, role: 'thumbnail', ...pathOf(thumbnail) }] : [result];
  });
}

function pathOf(file: { path: string; contentType: ContentType }) {
  return { path: file.path, contentType: file.contentType };
}

function keyOf(part: { index: number; role: ArtifactRole }): string {
  return `${part.index}/${part.role}`;
}

async function uploadPart(
  { edge, grant, signal }: UploadTask,
  part: Part,
): Promise<Result<UploadAnswer, UploadFailure>> {
  let digest: FileDigest;
  try {
    digest = await digestFile(part.path, signal);
  } catch (error) {
    if (signal.aborted) return { ok: false, failure: failureOf('aborted', 'given up') };
    return { ok: false, failure: failureOf('unreadable', String(error)) };
  }
  const bytesMax = part.role === 'result' ? ARTIFACT_BYTES_MAX : THUMBNAIL_BYTES_MAX;
  if (digest.bytes === 0 || digest.bytes > bytesMax) {
    const detail = `${keyOf(part)} has ${digest.bytes} bytes; 1 to ${bytesMax} are allowed`;
    const refused = { reason: 'refused', code: 'artifact_too_large', retryAfterMs: null } as const;
    return { ok: false, failure: { ...refused, detail } };
  }
  const open = () => createReadStream(part.path, { signal });
  const result = await edge.upload({ grant, ...part, ...digest, open }, signal);
  if (!result.ok) return result;
  const { bytes, sha256 } = result.value;
  if (bytes === digest.bytes && sha256 === digest.sha256) return result;
  return { ok: false, failure: failureOf('malformed', `${keyOf(part)} was stored otherwise`) };
}

function failureOf<R extends 'aborted' | 'unreadable' | 'malformed'>(reason: R, detail: string) {
  return { reason, detail, retryAfterMs: null };
}

export interface FileDigest {
  readonly bytes: number;
  readonly sha256: string;
}

/** Length and SHA-256 (lower-case hex) of a file; rejects when it cannot be read. */
export async function digestFile(path: string, signal?: AbortSignal): Promise<FileDigest> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(path, signal ? { signal } : {})) {
    const part = chunk as Buffer;
    bytes += part.length;
    hash.update(part);
  }
  return { bytes, sha256: hash.digest('hex') };
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
