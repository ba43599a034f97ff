/**
 * What the requests of the OpenAI-compatible routes share. A parameter of theirs that we cannot
 * honour is refused, never ignored: it is either left out of a schema, or taken only with the
 * values that ask for nothing beyond what happens anyway.
 */
import { z } from 'zod';
import { METADATA_KEY_CHARS_MAX, METADATA_VALUE_CHARS_MAX } from '../limits.ts';
import { ModelId } from '../model.ts';

/** A parameter that is taken only with these values; null stands for none. */
export function only<const T extends string | number | boolean>(...values: readonly [T, ...T[]]) {
  return z.literal([...values]).nullish();
}

/** A field of a form that holds a number. */
export function formNumber<T extends z.ZodType<unknown, number>>(schema: T) {
  return z
    .string()
    .regex(/^-?\d{1,15}(\.\d{1,15})?$/, 'must be a number')
    .transform(Number)
    .pipe(schema);
}

/** A field of a form that holds a truth value. */
export const FormBoolean = z.enum(['true', 'false']).transform((value) => value === 'true');

export const CompatibleModel = ModelId.nullish().meta({
  description: 'A model of `GET /v1/models`; left out, the first of the type that is online.',
});

/** The end user of the one who calls; kept in the job's metadata. */
export const EndUser = z.string().min(1).max(METADATA_VALUE_CHARS_MAX).nullish();

/** The end user that a request names, by the client's newer word before `user`, for metadata. */
export function endUserOf(request: {
  readonly user?: string | null | undefined;
  readonly safety_identifier?: string | null | undefined;
}): { user: string } | undefined {
  const user = request.safety_identifier ?? request.user;
  return user ? { user } : undefined;
}

/** Labels, kept as the job's metadata. */
export const Labels = z
  .record(z.string().min(1).max(METADATA_KEY_CHARS_MAX), z.string().max(METADATA_VALUE_CHARS_MAX))
  .nullish();

/** `1024x768`, or `auto` for the model's own size. */
export const PictureSize = z
  .string()
  .regex(
    /^(auto|[1-9]\d{1,4}x[1-9]\d{1,4})$/,
    'must be a width and a height in pixels, such as 1024x1024, or auto',
  )
  .nullish()
  .meta({ example: '1024x1024', description: 'Width and height, multiples of 8; or `auto`.' });

/** Width and height of a size; nothing for `auto` or none. */
export function parseSize(size: string | null | undefined): { width?: number; height?: number } {
  if (size === null || size === undefined || size === 'auto') return {};
  const [width, height] = size.split('x').map(Number);
  return { width: width!, height: height! };
}

/** Seconds since the epoch, as OpenAI's objects tell times. */
export const EpochSeconds = z.int().nonnegative();

/** Tokens of a text, read and written. */
export const TextUsage = z
  .object({
    prompt_tokens: z.int().meta({ description: '0 where the engine does not count them.' }),
    completion_tokens: z.int(),
    total_tokens: z.int(),
  })
  .meta({ id: 'TextUsage' });
export type TextUsage = z.infer<typeof TextUsage>;
