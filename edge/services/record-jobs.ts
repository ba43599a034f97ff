/**
 * Writes job records to the history: job, artifacts, usage, ledger, audit, in one statement.
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
import { insertRows, openDb, setAllExcluded, writeWithoutRefused } from '../io/db.ts';
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

async function recordBatch(env: Env, batch: readonly JobRecord[]): Promise<void> {
  await writeWithoutRefused(
    batch,
    (records) => openDb(env, (db) => writeRecords(db, records)),
    ({ id, sequence, status }, error) =>
      logError('history.record_refused', error, { job_id: id, sequence, status }),
  );
}

/** All tables in one statement: one round trip, and no transaction to open and close. */
async function writeRecords(db: Queries, records: readonly JobRecord[]): Promise<void> {
  const ended = records.filter(({ status }) => isTerminal(status));
  // A terminal state is final, whatever comes later.
  const newer = sql`(id) do update set ${setAllExcluded(job)}
    where excluded.sequence > ${job.sequence} and ${job.finishedAt} is null`;
  const once = sql`do nothing`;
  await db.execute(sql`with
    jobs as (${insertRows(job, records.map(toJobRow), newer)}),
    artifacts as (${insertRows(artifact, ended.flatMap(toArtifactRows), once)}),
    usages as (${insertRows(usage, ended.map(toUsageRow), once)}),
    entries as (${insertRows(ledgerEntry, records.flatMap(toLedgerRows), once)})
    ${insertRows(audit, records.flatMap(toAuditRows), once)}`);
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
