/**
 * Artifacts: outputs of a job in R2. The key carries the fencing token of the attempt that
 * made it, so that a stale attempt can never overwrite a newer one's result.
 */
import { z } from 'zod';
import { ARTIFACTS_MAX, ARTIFACT_BYTES_MAX } from './limits.ts';

export const CONTENT_TYPES = {
  'image/png': 'png',
  'image/webp': 'webp',
  'image/jpeg': 'jpg',
  'video/mp4': 'mp4',
  'video/webm': 'webm',
  'audio/wav': 'wav',
  'audio/mpeg': 'mp3',
  'audio/ogg': 'ogg',
  'audio/flac': 'flac',
  'text/plain': 'txt',
  'text/vtt': 'vtt',
  'application/x-subrip': 'srt',
  'application/json': 'json',
} as const;
export const ContentType = z.enum(
  Object.keys(CONTENT_TYPES) as [keyof typeof CONTENT_TYPES, ...(keyof typeof CONTENT_TYPES)[]],
);
export type ContentType = z.infer<typeof ContentType>;

export const Sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'SHA-256 in 64 lower-case hex digits');

/** One uploaded output, as agent, scheduler and database know it. */
export const Artifact = z.object({
  /** Place among the outputs of the job. */
  index: z
    .int()
    .min(0)
    .max(ARTIFACTS_MAX - 1),
  key: z.string(),
  contentType: ContentType,
  bytes: z.int().min(1).max(ARTIFACT_BYTES_MAX),
  sha256: Sha256,
  width: z.int().positive().nullable(),
  height: z.int().positive().nullable(),
  durationS: z.number().nonnegative().nullable(),
  thumbnailKey: z.string().nullable(),
});
export type Artifact = z.infer<typeof Artifact>;

/** Which file of an output: the output itself or its thumbnail. */
export const ArtifactRole = z.enum(['result', 'thumbnail']);
export type ArtifactRole = z.infer<typeof ArtifactRole>;

/** The R2 key of one file of one attempt. */
export function artifactKey(file: {
  jobId: string;
  fencingToken: number;
  index: number;
  role: ArtifactRole;
  contentType: ContentType;
}): string {
  const name = file.role === 'thumbnail' ? `${file.index}-thumbnail` : `${file.index}`;
  return `result/${file.jobId}/${file.fencingToken}/${name}.${CONTENT_TYPES[file.contentType]}`;
}
