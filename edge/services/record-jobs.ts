/**
 * Writes job records to the history: job, artifacts, usage, ledger, audit, in one transaction.
 * Idempotent on (id, sequence): an older record changes nothing, a repeat neither.
 * The ledger gets the hold with the first record of a job, the settlement and the release with
 * its last; both are written even when they are 0, so that hold = settle + release is provable
 * by rows alone. A debit names the side an amount leaves, a credit the side it enters.
 */
import { sql } from 'drizzle-orm';
import { isTerminal } from '#schema/job.ts';
import { ARTIFACT_KEEP_MS, RECORD_BATCH_MAX } from '#schema/limits.ts';
import type { JobRecord } from '#schema/record.ts';
import { artifact, audit, job, ledgerEntry, usage } from '#schema/tables/index.ts';
import type { Env } from '../env.ts';
import { isRefusedData, openDb, setExcluded, toStorable } from '../io/db.ts';
import type { Queries } from '../io/db.ts';
import { logError } from '../io/log.ts';
import { toJobRow } from './job-row.ts';

/** Records any number of changes; throws when Postgres is away, then nothing may be dropped. */
export async function recordJobs(env: Env, records: readonly JobRecord[]): Promise<void> {
  const newest = keepNewest(records);
  for (let start = 0; start < newest.length; start += RECORD_BATCH_MAX) {
    await recordBatch(env, newest.slice(start, start + RECORD_BATCH_MAX));
  }
}

/** The newest record of each job, in the order of ids. */
export function keepNewest(records: readonly JobRecord[]): JobRecord[] {
  const newest = new Map<string, JobRecord>();
  for (const record of records) {
    const known = newest.get(record.id);
    if (!known || record.sequence > known.sequence) newest.set(record.id, record);
  }
  return [...newest.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

async function recordBatch(env: Env, records: readonly JobRecord[]): Promise<void> {
  try {
    await openDb(env, (db) => db.transaction((tx) => writeRecords(tx, records)));
  } catch (error) {
    if (!isRefusedData(error)) throw error;
    // One record that Postgres will never take must not hold up all others behind it.
    if (records.length === 1) {
      const { id, sequence, status } = records[0]!;
      logError('history.record_refused', error, { job_id: id, sequence, status });
      return;
    }
    const half = Math.ceil(records.length / 2);
    await recordBatch(env, records.slice(0, half));
    await recordBatch(env, records.slice(half));
  }
}

async function writeRecords(tx: Queries, records: readonly JobRecord[]): Promise<void> {
  await tx
    .insert(job)
    .values(records.map((record) => toStorable(toJobRow(record))))
    .onConflictDoUpdate({
      target: job.id,
      set: setExcluded(job),
      // A terminal state is final, whatever comes later.
      setWhere: sql`excluded.sequence > ${job.sequence} and ${job.finishedAt} is null`,
    });
  const ended = records.filter(({ status }) => isTerminal(status));
  const artifacts = ended.flatMap(toArtifactRows);
  if (artifacts.length > 0) await tx.insert(artifact).values(artifacts).onConflictDoNothing();
  if (ended.length > 0) await tx.insert(usage).values(ended.map(toUsageRow)).onConflictDoNothing();
  await tx.insert(ledgerEntry).values(records.flatMap(toLedgerRows)).onConflictDoNothing();
  await tx.insert(audit).values(records.flatMap(toAuditRows)).onConflictDoNothing();
}

function toArtifactRows(record: JobRecord): (typeof artifact.$inferInsert)[] {
  const expiresAt = new Date(endOf(record) + ARTIFACT_KEEP_MS);
  return record.artifacts.map((item) => ({ ...item, jobId: record.id, expiresAt }));
}

function toUsageRow(record: JobRecord): typeof usage.$inferInsert {
  return {
    jobId: record.id,
    accountId: record.accountId,
    apiKeyId: record.apiKeyId,
    day: record.day,
    type: record.spec.type,
    model: record.spec.model,
    millitokens: record.settledMillitokens ?? 0,
    serviceMs: record.timings?.serviceMs ?? 0,
    completionTokens: record.usage.completionTokens ?? null,
    audioS: record.usage.audioS ?? null,
  };
}

/** The ledger's rows of a job, as far as it has come. */
export function toLedgerRows(record: JobRecord): (typeof ledgerEntry.$inferInsert)[] {
  const common = { jobId: record.id, accountId: record.accountId, day: record.day };
  const held = record.heldMillitokens;
  const hold = {
    ...common,
    kind: 'hold',
    debit: 'available',
    credit: 'held',
    millitokens: held,
    createdAt: new Date(record.createdAt),
  };
  if (!isTerminal(record.status)) return [hold];
  const settled = record.settledMillitokens ?? 0;
  const createdAt = new Date(endOf(record));
  return [
    hold,
    { ...common, kind: 'settle', debit: 'held', credit: 'spent', millitokens: settled, createdAt },
    {
      ...common,
      kind: 'release',
      debit: 'held',
      credit: 'available',
      millitokens: held - settled,
      createdAt,
    },
  ];
}

function toAuditRows(record: JobRecord): (typeof audit.$inferInsert)[] {
  const { id, accountId: actor, spec, apiKeyId, heldMillitokens } = record;
  const submit = {
    id: `${id}:submit`,
    actor,
    action: 'job.submit',
    target: id,
    requestId: record.requestId,
    detail: { type: spec.type, model: spec.model, apiKeyId, heldMillitokens },
    createdAt: new Date(record.createdAt),
  };
  if (record.cancelRequestedAt === null) return [submit];
  const cancel = {
    id: `${id}:cancel`,
    actor,
    action: 'job.cancel',
    target: id,
    requestId: null,
    detail: {},
    createdAt: new Date(record.cancelRequestedAt),
  };
  return [submit, cancel];
}

function endOf(record: JobRecord): number {
  return record.finishedAt ?? record.createdAt;
}
