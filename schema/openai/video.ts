/**
 * `/v1/videos`: what is taken and what is answered, in the shapes of OpenAI's API. A video is a
 * job: its id is the job's, and the calls of `/v1/jobs` work on it too.
 */
import { z } from 'zod';
import { SentFile } from '../file.ts';
import { JobId } from '../id.ts';
import { PAGE_DEFAULT, PAGE_MAX } from '../limits.ts';
import { CompatibleModel, EpochSeconds, formNumber, only, PictureSize } from './parameter.ts';

const COMMON = { model: CompatibleModel, prompt: z.string(), size: PictureSize };

/** As a form, which is how the official clients send it. */
export const VideoForm = z
  .strictObject({
    ...COMMON,
    seconds: formNumber(z.number()).optional(),
    input_reference: SentFile.optional(),
  })
  .meta({ id: 'VideoForm' });
export type VideoForm = z.infer<typeof VideoForm>;

/** As JSON, for those without a picture to send. */
export const VideoRequest = z
  .strictObject({ ...COMMON, seconds: z.union([z.number(), formNumber(z.number())]).optional() })
  .meta({ id: 'VideoCompatibleRequest' });
export type VideoRequest = z.infer<typeof VideoRequest>;

export const VideoQuery = z.strictObject({
  after: JobId.optional(),
  limit: z.coerce.number().int().min(1).max(PAGE_MAX).default(PAGE_DEFAULT),
  order: only('desc'),
});
export type VideoQuery = z.infer<typeof VideoQuery>;

export const VideoContentQuery = z.strictObject({
  variant: z.enum(['video', 'thumbnail']).optional(),
});

export const VideoView = z
  .object({
    id: JobId,
    object: z.literal('video'),
    status: z.enum(['queued', 'in_progress', 'completed', 'failed']),
    progress: z.number().meta({ description: 'Percent.' }),
    model: z.string(),
    prompt: z.string().nullable(),
    seconds: z.string(),
    size: z.string(),
    created_at: EpochSeconds,
    completed_at: EpochSeconds.nullable(),
    expires_at: EpochSeconds.nullable(),
    remixed_from_video_id: z.null(),
    error: z.object({ code: z.string(), message: z.string() }).nullable(),
  })
  .meta({ id: 'Video' });
export type VideoView = z.infer<typeof VideoView>;

export const VideoList = z
  .object({
    object: z.literal('list'),
    data: z.array(VideoView),
    first_id: z.string().nullable(),
    last_id: z.string().nullable(),
    has_more: z.boolean(),
  })
  .meta({ id: 'VideoList' });

export const DeletedVideo = z
  .object({ id: JobId, object: z.literal('video.deleted'), deleted: z.literal(true) })
  .meta({ id: 'DeletedVideo' });
