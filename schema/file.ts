/**
 * Input files: pictures and recordings that a user sends for jobs to work on. What a file is, is
 * read from its content; the name and the type that it comes with are only kept or ignored.
 * A file belongs to one account and is deleted after FILE_KEEP_MS.
 */
import { z } from 'zod';
import { Sha256 } from './artifact.ts';
import { JobId } from './id.ts';
import { FileId } from './job.ts';
import { ARTIFACTS_MAX, FILE_NAME_CHARS_MAX } from './limits.ts';

/** What a file is for, and the types that serve it, with their usual endings. */
export const FILE_TYPES = {
  image: { 'image/png': 'png', 'image/jpeg': 'jpg', 'image/webp': 'webp' },
  audio: {
    'audio/wav': 'wav',
    'audio/mpeg': 'mp3',
    'audio/ogg': 'ogg',
    'audio/flac': 'flac',
    'audio/mp4': 'm4a',
    'audio/webm': 'webm',
  },
} as const;

export const FilePurpose = z.enum(['image', 'audio']).meta({ id: 'FilePurpose' });
export type FilePurpose = z.infer<typeof FilePurpose>;

const ENDINGS = { ...FILE_TYPES.image, ...FILE_TYPES.audio };
export const FileType = z.enum(
  Object.keys(ENDINGS) as [keyof typeof ENDINGS, ...(keyof typeof ENDINGS)[]],
);
export type FileType = z.infer<typeof FileType>;

/** The ending of a file of this type, without a dot. */
export function endingOf(type: FileType): string {
  return ENDINGS[type];
}

/** What a file of this type can be for. */
export function purposeOf(type: FileType): FilePurpose {
  return Object.hasOwn(FILE_TYPES.image, type) ? 'image' : 'audio';
}

/** The types that are taken for a purpose. */
export function typesFor(purpose: FilePurpose): readonly FileType[] {
  return FileType.options.filter((type) => purposeOf(type) === purpose);
}

/** An input file, as the API shows it. */
export const FileView = z
  .object({
    id: FileId,
    purpose: FilePurpose,
    name: z.string().nullable(),
    content_type: FileType,
    bytes: z.int(),
    sha256: Sha256,
    width: z.int().nullable(),
    height: z.int().nullable(),
    duration_s: z.number().nullable(),
    url: z.string().meta({ description: 'Signed; shows the file until `url_expires_at`.' }),
    url_expires_at: z.iso.datetime(),
    created_at: z.iso.datetime(),
    expires_at: z.iso.datetime().meta({ description: 'Deleted then.' }),
  })
  .meta({ id: 'File' });
export type FileView = z.infer<typeof FileView>;

/** JSON body of `POST /v1/files`: a file made from a result. */
export const FileFromResult = z
  .strictObject({
    job_id: JobId,
    index: z
      .int()
      .min(0)
      .max(ARTIFACTS_MAX - 1)
      .default(0),
  })
  .meta({ id: 'FileFromResult' });

/** A name that a file comes with, as one line of plain text: it is only ever shown. */
export function toFileName(name: string): string {
  return name.replaceAll(/\p{C}/gu, '').slice(0, FILE_NAME_CHARS_MAX).toWellFormed();
}

/** A file of a form, as it came. */
export interface SentFile {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Its content, once: who takes it is the only one to hold it. */
  readonly take: () => Uint8Array;
}

export const SentFile = z
  .custom<SentFile>((value) => typeof (value as SentFile | null)?.take === 'function', {
    error: ({ input }) => (input === undefined ? 'is missing' : 'must be a file'),
  })
  .meta({ type: 'string', format: 'binary' });

export const FileName = z.string().max(FILE_NAME_CHARS_MAX);

/** What came of a deletion; a repeat finds nothing and is answered `not_found`. */
export const Deleted = z
  .object({ id: z.string(), deleted: z.literal(true) })
  .meta({ id: 'Deleted' });
