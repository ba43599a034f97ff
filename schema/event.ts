/**
 * Live events of a job, as server-sent events (html.spec.whatwg.org, section 9.2).
 * `state` and `text` carry an id and are replayed after `Last-Event-ID`; `progress` and
 * `preview` carry none, since only the newest of each matters: a new reader gets that one.
 * A `state` is the whole job, so missing an earlier one loses nothing.
 */
import { z } from 'zod';
import { JobView, Progress } from './api.ts';
import { PREVIEW_BYTES_MAX } from './limits.ts';

/** A small picture of the work so far. */
export const Preview = z
  .object({
    content_type: z.enum(['image/webp', 'image/jpeg', 'image/png']),
    /** Base64. */
    data: z.base64().max(Math.ceil(PREVIEW_BYTES_MAX / 3) * 4),
  })
  .meta({ id: 'Preview' });
export type Preview = z.infer<typeof Preview>;

/** The next piece of generated text; `offset` counts UTF-16 units from the answer's start. */
export const TextDelta = z
  .object({ offset: z.int().min(0), text: z.string() })
  .meta({ id: 'TextDelta' });
export type TextDelta = z.infer<typeof TextDelta>;

export const JobEvent = z
  .discriminatedUnion('event', [
    z.object({ event: z.literal('state'), data: JobView }),
    z.object({ event: z.literal('progress'), data: Progress }),
    z.object({ event: z.literal('preview'), data: Preview }),
    z.object({ event: z.literal('text'), data: TextDelta }),
  ])
  .meta({ id: 'JobEvent' });
export type JobEvent = z.infer<typeof JobEvent>;
