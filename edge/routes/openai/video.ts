/** A video job between our words and those of OpenAI's clients. */
import { isTerminal } from '#schema/job.ts';
import { ARTIFACT_KEEP_MS } from '#schema/limits.ts';
import { parseSize } from '#schema/openai/parameter.ts';
import type { VideoForm, VideoView } from '#schema/openai/video.ts';
import type { LiveJob } from '#schema/record.ts';
import { ERRORS } from '#schema/error.ts';

/** What the client calls the parameters of a video job. */
export const VIDEO_NAMES = {
  width: 'size',
  height: 'size',
  duration_s: 'seconds',
  input_image: 'input_reference',
} as const;

/** The job that is asked for. */
export function toVideoJob(
  { model, prompt, size, seconds }: Omit<VideoForm, 'input_reference'>,
  inputId: string | undefined,
) {
  return {
    type: 'video',
    ...{ model, prompt },
    ...parseSize(size),
    duration_s: seconds,
    input_image: inputId,
  };
}

/** A job of type video as a video; null for any other job, and for one that was deleted. */
export function viewVideo({ record, progress }: LiveJob): VideoView | null {
  const { spec, status, finishedAt, error } = record;
  // A prompt has a character at least, until it is deleted.
  if (spec.type !== 'video' || spec.prompt === '') return null;
  return {
    id: record.id,
    object: 'video',
    status: STATUS[status],
    progress: status === 'completed' ? 100 : Math.round((progress?.fraction ?? 0) * 100),
    model: spec.model,
    prompt: spec.prompt,
    seconds: String(spec.duration_s),
    size: `${spec.width}x${spec.height}`,
    created_at: toSeconds(record.createdAt),
    completed_at: isTerminal(status) && finishedAt !== null ? toSeconds(finishedAt) : null,
    expires_at: finishedAt === null ? null : toSeconds(finishedAt + ARTIFACT_KEEP_MS),
    remixed_from_video_id: null,
    error: error ? { ...error } : status === 'cancelled' ? CANCELLED : null,
  };
}

const STATUS = {
  created: 'queued',
  queued: 'queued',
  running: 'in_progress',
  completed: 'completed',
  failed: 'failed',
  cancelled: 'failed',
} as const;

const CANCELLED = { code: 'job_cancelled', message: ERRORS.job_cancelled.help };

function toSeconds(ms: number): number {
  return Math.floor(ms / 1000);
}
