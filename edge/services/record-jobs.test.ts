import { eq, inArray, sql } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import { RECORD_BATCH_MAX } from '#schema/limits.ts';
import type { JobRecord } from '#schema/record.ts';
import { artifact, audit, job, ledgerEntry, usage } from '#schema/tables/index.ts';
import { asCreated } from '../account/order.ts';
import { picture } from '../core/fixture.ts';
import { parseEnv } from '../env.ts';
import { openDb } from '../io/db.ts';
import { makeAccountId, makeJobId } from '../io/id.ts';
import { bindings, newOrder } from '../test/world.ts';
import { readJob } from './read-history.ts';
import { keepNewest, recordJobs } from './record-jobs.ts';

const env = parseEnv(bindings);
const NOW = Date.UTC(2026, 10, 22, 12);

function newRecord(more: Partial<JobRecord> = {}): JobRecord {
  const id = makeJobId('main', NOW);
  const order = { id, createdAt: NOW, heldMillitokens: 1000 };
  return {
    ...asCreated(newOrder('main', makeAccountId(NOW), order)).record,
    status: 'queued',
    queuedAt: NOW,
    ...more,
  };
}

function completed(record: JobRecord): JobRecord {
  return {
    ...record,
    status: 'completed',
    sequence: 3,
    attempt: 1,
    agentId: 'agt_x',
    startedAt: NOW + 1,
    finishedAt: NOW + 2,
    settledMillitokens: 400,
    usage: { steps: 8 },
    timings: { loadMs: 1, serviceMs: 2, uploadMs: 3 },
    artifacts: [picture({ key: `result/${record.id}/1/0.png` })],
  };
}

async function rowsOf(jobId: string) {
  return openDb(env, async (db) => ({
    jobs: await db.select().from(job).where(eq(job.id, jobId)),
    artifacts: await db.select().from(artifact).where(eq(artifact.jobId, jobId)),
    usage: await db.select().from(usage).where(eq(usage.jobId, jobId)),
    ledger: await db.select().from(ledgerEntry).where(eq(ledgerEntry.jobId, jobId)),
    audit: await db.select().from(audit).where(eq(audit.target, jobId)),
  }));
}

describe('recording', () => {
  it('gives back exactly the record that was given', async () => {
    const record = completed(
      newRecord({ metadata: { a: 'b' }, deadlineAt: NOW + 5, cancelRequestedAt: NOW }),
    );
    await recordJobs(env, [record]);
    expect(await readJob(env, { jobId: record.id, accountId: record.accountId })).toEqual(record);
    expect(await readJob(env, { jobId: record.id, accountId: 'acc_other' })).toBeNull();
  });

  it('changes nothing by a repeat or an older record', async () => {
    const record = newRecord();
    const end = completed(record);
    for (const known of [record, end, end, record, { ...end, sequence: 2, attempt: 9 }]) {
      await recordJobs(env, [known]);
    }
    const rows = await rowsOf(record.id);
    expect(rows.jobs).toMatchObject([{ status: 'completed', sequence: 3, attempt: 1 }]);
    expect(rows.artifacts).toHaveLength(1);
    expect(rows.usage).toMatchObject([{ millitokens: 400, serviceMs: 2 }]);
    expect(rows.ledger).toHaveLength(3);
    expect(rows.audit).toHaveLength(1);
  });

  it('keeps a ledger whose hold is its settlement and its release', async () => {
    const record = newRecord();
    await recordJobs(env, [record]);
    expect((await rowsOf(record.id)).ledger).toMatchObject([
      { kind: 'hold', debit: 'available', credit: 'held', millitokens: 1000 },
    ]);
    await recordJobs(env, [completed(record)]);
    const { ledger } = await rowsOf(record.id);
    const amounts = Object.fromEntries(ledger.map((row) => [row.kind, row.millitokens]));
    expect(amounts).toEqual({ hold: 1000, settle: 400, release: 600 });
    const held = ledger.reduce(
      (sum, row) =>
        sum +
        (row.credit === 'held' ? row.millitokens : 0) -
        (row.debit === 'held' ? row.millitokens : 0),
      0,
    );
    expect(held).toBe(0);
  });

  it('audits the submit and the cancel', async () => {
    const record = newRecord({ cancelRequestedAt: NOW + 1 });
    await recordJobs(env, [record]);
    const entries = (await rowsOf(record.id)).audit;
    const actions = Object.fromEntries(entries.map(({ id, action }) => [id, action]));
    expect(actions).toEqual({
      [`${record.id}:cancel`]: 'job.cancel',
      [`${record.id}:submit`]: 'job.submit',
    });
    expect(new Set(entries.map(({ actor }) => actor))).toEqual(new Set([record.accountId]));
  });

  it('takes more records than one write may hold, in any order and repeated', async () => {
    const accountId = makeAccountId(NOW);
    const records = Array.from({ length: RECORD_BATCH_MAX + 1 }, () => newRecord({ accountId }));
    await recordJobs(env, [...records.map(completed), ...records]);
    const [row] = await openDb(env, (db) =>
      db
        .select({ count: sql<number>`count(*)::int`, least: sql<number>`min(${job.sequence})` })
        .from(job)
        .where(eq(job.accountId, accountId)),
    );
    expect(row).toEqual({ count: RECORD_BATCH_MAX + 1, least: 3 });
  });

  it('stores what Postgres would refuse, and drops only a record it never takes', async () => {
    const odd = newRecord({ metadata: { nul: 'a\0b', half: '\ud83d' } });
    const bad = newRecord({ day: 'not a day' });
    const good = newRecord();
    await recordJobs(env, [odd, bad, good]);
    const ids = await openDb(env, (db) =>
      db
        .select({ id: job.id })
        .from(job)
        .where(inArray(job.id, [odd.id, bad.id, good.id])),
    );
    expect(ids.map(({ id }) => id).toSorted()).toEqual([odd.id, good.id].toSorted());
    const stored = await readJob(env, { jobId: odd.id, accountId: odd.accountId });
    expect(stored?.metadata).toEqual({ nul: 'a\ufffdb', half: '\ufffd' });
  });

  it('throws while Postgres is away, so that nothing is thought delivered', async () => {
    const dark = { ...env, databaseWsProxy: '127.0.0.1:9/v1' };
    await expect(recordJobs(dark, [newRecord()])).rejects.toThrow();
    await recordJobs(env, [newRecord()]);
  });
});

it('keeps the newest of several records of a job', () => {
  const record = newRecord();
  const kept = keepNewest([record, { ...record, sequence: 3 }, { ...record, sequence: 2 }]);
  expect(kept.map(({ sequence }) => sequence)).toEqual([3]);
});
