/** Shows a job as the API gives it: wire names, decimal tokens, ISO times, signed URLs. */
import type { ArtifactView, JobView, QueueView } from '#schema/api.ts';
import type { Artifact } from '#schema/artifact.ts';
import type { JobWaiting, LiveJob } from '#schema/record.ts';
import { toTokens } from '#schema/price.ts';
import { signMedia } from '../io/token.ts';

export interface ViewContext {
  readonly signingKey: string;
  /** Scheme and host that URLs begin with. */
  readonly origin: string;
  readonly now: number;
}

/** The job's view; the only thing done beside mapping is signing. */
export async function viewJob(live: LiveJob, context: ViewContext): Promise<JobView> {
  const { record, progress, waiting } = live;
  const { type, model, ...parameters } = record.spec;
  return {
    id: record.id,
    type,
    status: record.status,
    sequence: record.sequence,
    model,
    created_at: toIso(record.createdAt),
    started_at: record.startedAt === null ? null : toIso(record.startedAt),
    finished_at: record.finishedAt === null ? null : toIso(record.finishedAt),
    progress: record.status === 'running' ? progress : null,
    queue: waiting && viewQueue(waiting),
    cost: {
      held: toTokens(record.heldMillitokens),
      settled: record.settledMillitokens === null ? null : toTokens(record.settledMillitokens),
    },
    attempt: record.attempt,
    cancel_requested: record.cancelRequestedAt !== null,
    parameters,
    metadata: { ...record.metadata },
    artifacts: await Promise.all(record.artifacts.map((item) => viewArtifact(item, context))),
    error: record.error && { ...record.error },
  };
}

/** Where a waiting job stands, for the wire. */
export function viewQueue(waiting: JobWaiting): QueueView {
  const { position, ahead, aheadMs, reason, earliestStartAt, latestStartAt } = waiting;
  return {
    position,
    ahead: { ...ahead },
    ahead_s: {
      admin: toSeconds(aheadMs.admin),
      pro: toSeconds(aheadMs.pro),
      starter: toSeconds(aheadMs.starter),
      free: toSeconds(aheadMs.free),
    },
    model_state: waiting.modelState,
    agents: waiting.agents,
    reason,
    estimate:
      earliestStartAt === null || latestStartAt === null
        ? null
        : { earliest_at: toIso(earliestStartAt), latest_at: toIso(latestStartAt) },
  };
}

function toSeconds(ms: number): number {
  return Math.round(ms / 1000);
}

/** A result with URLs that work for a while. */
export async function viewArtifact(
  artifact: Artifact,
  context: ViewContext,
): Promise<ArtifactView> {
  const { signingKey, origin, now } = context;
  const [result, thumbnail] = await Promise.all([
    signMedia(signingKey, artifact.key, now),
    artifact.thumbnailKey === null ? null : signMedia(signingKey, artifact.thumbnailKey, now),
  ]);
  return {
    url: `${origin}${result.path}`,
    url_expires_at: toIso(result.expiresAt),
    content_type: artifact.contentType,
    bytes: artifact.bytes,
    sha256: artifact.sha256,
    width: artifact.width,
    height: artifact.height,
    duration_s: artifact.durationS,
    thumbnail_url: thumbnail && `${origin}${thumbnail.path}`,
  };
}

function toIso(ms: number): string {
  return new Date(ms).toISOString();
}
