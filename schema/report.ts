/** What an account used: the question and the answer of `GET /v1/usage`. */
import { z } from 'zod';
import { ApiKeyId } from './id.ts';
import { USAGE_ROWS_MAX } from './limits.ts';
import { JobType, ModelId } from './model.ts';
import { PastDay } from './time.ts';

/** What the usage may be told apart by. */
export const USAGE_GROUPS = ['day', 'type', 'model', 'key'] as const;
export type UsageGroup = (typeof USAGE_GROUPS)[number];

const Day = z.iso.date().meta({ example: '2026-11-22' });

/** A list of groups in a query, `day,type`. */
const Groups = z
  .string()
  .regex(
    /^(day|type|model|key)(,(day|type|model|key)){0,3}$/,
    `must list ${USAGE_GROUPS.join(', ')}`,
  )
  .refine((text) => new Set(text.split(',')).size === text.split(',').length, 'must not repeat')
  .default('day')
  .meta({ description: 'What the rows are told apart by, with commas.', example: 'day,type' });

export const UsageQuery = z.strictObject({
  from: PastDay.optional().meta({
    description: 'First UTC day; 29 days before the last by default.',
  }),
  to: PastDay.optional().meta({ description: 'Last UTC day; today by default.' }),
  by: Groups,
  cursor: z.string().max(20).optional(),
  limit: z.coerce.number().int().min(1).max(USAGE_ROWS_MAX).default(100),
});
export type UsageQuery = z.infer<typeof UsageQuery>;

const Sums = z.object({
  jobs: z.int(),
  tokens: z.number().nonnegative(),
  gpu_s: z.number().nonnegative().meta({ description: 'Seconds that a GPU worked.' }),
  completion_tokens: z.int().meta({ description: 'Tokens written by text models.' }),
  audio_s: z.number().nonnegative().meta({ description: 'Seconds of audio made or read.' }),
});
export type UsageSums = z.infer<typeof Sums>;

export const UsageReport = z
  .object({
    from: Day,
    to: Day,
    by: z.array(z.enum(USAGE_GROUPS)),
    data: z.array(
      Sums.extend({
        day: Day.optional(),
        type: JobType.optional(),
        model: ModelId.optional(),
        api_key_id: ApiKeyId.nullable().optional().meta({
          description: 'Null for jobs that were not submitted with a key.',
        }),
      }),
    ),
    total: Sums.meta({ description: 'Of the whole span, whatever the page.' }),
    next_cursor: z.string().nullable(),
  })
  .meta({ id: 'UsageReport' });
export type UsageReport = z.infer<typeof UsageReport>;
