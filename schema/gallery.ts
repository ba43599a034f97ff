/** The public gallery: pictures and clips that their owners show to everybody. */
import { z } from 'zod';
import { ArtifactView } from './api.ts';
import { JobId } from './id.ts';
import { PAGE_DEFAULT, PAGE_MAX } from './limits.ts';
import { ModelId } from './model.ts';

const Time = z.iso.datetime().meta({ example: '2026-11-22T16:00:00.000Z' });

/** Types of jobs that can be shown. */
export const GALLERY_TYPES = ['image', 'video'] as const;
export const GalleryType = z.enum(GALLERY_TYPES);
export type GalleryType = z.infer<typeof GalleryType>;

/** Body of `PUT /v1/jobs/:id/gallery`. */
export const Publish = z
  .strictObject({
    public: z.literal(true).meta({ description: 'That you mean it; `DELETE` takes it back.' }),
    show_prompt: z.boolean().default(false).meta({ description: 'Show the prompt with it.' }),
  })
  .meta({ id: 'Publish' });
export type Publish = z.infer<typeof Publish>;

export const GalleryEntry = z
  .object({
    job_id: JobId,
    type: GalleryType,
    model: ModelId,
    prompt: z.string().nullable().meta({ description: 'Null unless its owner shows it.' }),
    published_at: Time,
    artifacts: z.array(ArtifactView),
  })
  .meta({ id: 'GalleryEntry' });
export type GalleryEntry = z.infer<typeof GalleryEntry>;

export const GalleryQuery = z.strictObject({
  cursor: z.string().max(200).optional(),
  limit: z.coerce.number().int().min(1).max(PAGE_MAX).default(PAGE_DEFAULT),
  type: GalleryType.optional(),
});
export type GalleryQuery = z.infer<typeof GalleryQuery>;

export const GalleryPage = z
  .object({ data: z.array(GalleryEntry), next_cursor: z.string().nullable() })
  .meta({ id: 'GalleryPage' });
export type GalleryPage = z.infer<typeof GalleryPage>;

/** Query of `DELETE /admin/v1/gallery/:job_id`. */
export const RemovalQuery = z.strictObject({
  reason: z.string().trim().min(1).max(200).meta({
    description: 'Why; its owner and the audit are told.',
    example: 'a face without consent',
  }),
});
