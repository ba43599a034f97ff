/** A job between its record and its rows in Postgres. Pure. */
import type { Artifact, ContentType } from '#schema/artifact.ts';
import type { JobStatus } from '#schema/job.ts';
import type { Tier } from '#schema/plan.ts';
import type { JobRecord } from '#schema/record.ts';
import type { artifact, job } from '#schema/tables/index.ts';

type JobRow = typeof job.$inferSelect;
type ArtifactRow = typeof artifact.$inferSelect;

/** The row of a job. */
export function toJobRow(record: JobRecord): JobRow {
  return {
    id: record.id,
    accountId: record.accountId,
    apiKeyId: record.apiKeyId,
    requestId: record.requestId,
    type: record.spec.type,
    model: record.spec.model,
    tier: record.tier,
    status: record.status,
    sequence: record.sequence,
    attempt: record.attempt,
    agentId: record.agentId,
    spec: record.spec,
    metadata: record.metadata,
    heldMillitokens: record.heldMillitokens,
    settledMillitokens: record.settledMillitokens,
    day: record.day,
    usage: record.usage,
    timings: record.timings,
    error: record.error,
    createdAt: new Date(record.createdAt),
    queuedAt: toDate(record.queuedAt),
    startedAt: toDate(record.startedAt),
    finishedAt: toDate(record.finishedAt),
    cancelRequestedAt: toDate(record.cancelRequestedAt),
    deadlineAt: toDate(record.deadlineAt),
  };
}

/** The record that a job's rows were made from. */
export function fromJobRow(row: JobRow, artifacts: readonly ArtifactRow[]): JobRecord {
  return {
    id: row.id,
    accountId: row.accountId,
    apiKeyId: row.apiKeyId,
    requestId: row.requestId,
    tier: row.tier as Tier,
    spec: row.spec,
    metadata: row.metadata,
    heldMillitokens: row.heldMillitokens,
    day: row.day,
    createdAt: row.createdAt.getTime(),
    deadlineAt: toMs(row.deadlineAt),
    // Those who asked to be told have been.
    notices: [],
    status: row.status as JobStatus,
    sequence: row.sequence,
    attempt: row.attempt,
    agentId: row.agentId,
    queuedAt: toMs(row.queuedAt),
    startedAt: toMs(row.startedAt),
    finishedAt: toMs(row.finishedAt),
    cancelRequestedAt: toMs(row.cancelRequestedAt),
    settledMillitokens: row.settledMillitokens,
    artifacts: artifacts.map(fromArtifactRow),
    usage: row.usage,
    timings: row.timings,
    error: row.error,
  };
}

/** The artifact that a row was made from. */
export function fromArtifactRow(row: ArtifactRow): Artifact {
  return {
    index: row.index,
    key: row.key,
    contentType: row.contentType as ContentType,
    bytes: row.bytes,
    sha256: row.sha256,
    width: row.width,
    height: row.height,
    durationS: row.durationS,
    thumbnailKey: row.thumbnailKey,
  };
}

function toDate(ms: number | null): Date | null {
  return ms === null ? null : new Date(ms);
}

function toMs(date: Date | null): number | null {
  return date?.getTime() ?? null;
}
