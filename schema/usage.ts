/** What an attempt really used: the basis of its price and of the estimates of time. */
import { z } from 'zod';
import { STEPS_MAX, TEXT_TOKENS_MAX, TRANSCRIPTION_DURATION_S_MAX } from './limits.ts';

export const Usage = z.object({
  /** Steps done, of those the spec asks for (all pictures together count once). */
  steps: z.int().min(0).max(STEPS_MAX).optional(),
  promptTokens: z.int().min(0).max(1_000_000).optional(),
  completionTokens: z.int().min(0).max(TEXT_TOKENS_MAX).optional(),
  /** Seconds of audio made or read. */
  audioS: z.number().min(0).max(TRANSCRIPTION_DURATION_S_MAX).optional(),
});
export type Usage = z.infer<typeof Usage>;

const Span = z
  .int()
  .min(0)
  .max(24 * 60 * 60 * 1000);
/** Where an attempt's time went. */
export const Timings = z.object({ loadMs: Span, serviceMs: Span, uploadMs: Span });
export type Timings = z.infer<typeof Timings>;
