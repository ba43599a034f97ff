/** What PostgreSQL has of some accounts' jobs, read past the Worker. */
import pg from 'pg';
import type { Entry, PastJob } from './book.ts';

export interface Ledger {
  readonly jobs: readonly PastJob[];
  readonly entries: readonly Entry[];
  /** Settled amounts by account, of the jobs of this day. */
  settledOn(accountId: string, day: string): number;
}

interface JobLine {
  readonly id: string;
  readonly key: string | null;
  readonly status: string;
  readonly finished_at: Date | null;
}

interface EntryLine {
  readonly job_id: string;
  readonly account_id: string;
  readonly kind: Entry['kind'];
  readonly millitokens: string;
  readonly day: string;
}

export async function readLedger(url: string, accountIds: readonly string[]): Promise<Ledger> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows: jobs } = await client.query<JobLine>(
      "select id, metadata ->> 'key' as key, status, finished_at from job where account_id = any($1)",
      [accountIds],
    );
    const { rows: entries } = await client.query<EntryLine>(
      `select job_id, account_id, kind, millitokens, day::text from ledger_entry
       where account_id = any($1)`,
      [accountIds],
    );
    return {
      jobs: jobs.map((row) => ({
        id: row.id,
        key: row.key ?? '',
        status: row.status,
        isFinished: row.finished_at !== null,
      })),
      entries: entries.map(({ job_id, kind, millitokens }) => ({
        jobId: job_id,
        kind,
        millitokens: Number(millitokens),
      })),
      settledOn: (accountId, day) =>
        entries
          .filter((row) => row.account_id === accountId && row.day === day)
          .filter((row) => row.kind === 'settle')
          .reduce((sum, row) => sum + Number(row.millitokens), 0),
    };
  } finally {
    await client.end();
  }
}
