/** The couriers, one per webhook endpoint and one per bot, as their callers see them over RPC. */
import type { Progress } from '#schema/api.ts';
import type { Preview } from '#schema/event.ts';
import type { JobRecord } from '#schema/record.ts';

/** Takes news of jobs and delivers them outside: paced, retried, at least once. */
export interface CourierObject {
  /** Durable when it resolves. Idempotent on (job id, sequence). */
  publish(records: readonly JobRecord[]): Promise<void>;
}

/** One bot's courier. */
export interface BotCourierObject extends CourierObject {
  /** The newest counts; may be lost. */
  progress(jobId: string, progress: Progress, preview: Preview | null): Promise<void>;
}
