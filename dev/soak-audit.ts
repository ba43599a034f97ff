/**
 * What must hold after any kills, read from three sides: the API, the ledger in PostgreSQL and
 * the agent's own log. Each claim names the jobs that broke it.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { AccountView, JobView } from '#schema/api.ts';
import { call, insist } from './api.ts';
import type { LocalSystem } from './system.ts';

const CATCH_UP_MS = 120_000;
const POLL_MS = 500;
const MILLI = 1000;

export type Finding = { claim: string; checked: number; broken: string[] };
type Entry = { job_id: string; kind: string; millitokens: string };

/** Checks every promise about these jobs; `ended` are those that were seen terminal. */
export async function auditBooks(
  system: LocalSystem,
  ids: readonly string[],
  ended: readonly JobView[],
): Promise<Finding[]> {
  const known = new Set(ended.map((job) => job.id));
  const entries = await readLedger(system, ids);
  return [
    {
      claim: 'every key gave one job of its own',
      checked: ids.length,
      broken: ids.filter((id, index) => ids.indexOf(id) !== index),
    },
    {
      claim: 'every acknowledged job ended',
      checked: ids.length,
      broken: ids.filter((id) => !known.has(id)),
    },
    {
      claim: 'every job completed',
      checked: ended.length,
      broken: ended
        .filter((job) => job.status !== 'completed')
        .map((job) => `${job.id} ${job.status} ${JSON.stringify(job.error)}`),
    },
    await auditFinality(system, ended),
    auditLedger(ids, entries),
    await auditAccount(system, entries),
    auditAttempts(system, ids),
  ];
}

async function auditFinality(system: LocalSystem, ended: readonly JobView[]): Promise<Finding> {
  const { baseUrl, apiKey: bearer } = system.credentials;
  const broken: string[] = [];
  for (const job of ended) {
    const answer = await insist(() => call(`${baseUrl}/v1/jobs/${job.id}`, { bearer }));
    const again = JobView.parse(answer);
    if (again.status !== job.status || again.sequence !== job.sequence) {
      broken.push(`${job.id} was ${job.status}, is ${again.status}`);
    }
  }
  return { claim: 'an ended job stayed as it ended', checked: ended.length, broken };
}

/** The ledger's entries of these jobs, once each has an end or patience has run out. */
async function readLedger(system: LocalSystem, ids: readonly string[]): Promise<Entry[]> {
  const until = Date.now() + CATCH_UP_MS;
  for (;;) {
    const rows = await insist(() => readEntries(system.databaseUrl, ids));
    const closed = new Set(rows.filter((row) => row.kind !== 'hold').map((row) => row.job_id));
    if (closed.size >= ids.length || Date.now() > until) return rows;
    await sleep(POLL_MS);
  }
}

/** A connection of its own each time: the last kill may have hit the database just now. */
async function readEntries(databaseUrl: string, ids: readonly string[]): Promise<Entry[]> {
  const client = new pg.Client({ connectionString: databaseUrl });
  client.on('error', () => {}); // a server that dies fails the query
  await client.connect();
  try {
    const { rows } = await client.query<Entry>(
      'select job_id, kind, millitokens from ledger_entry where job_id = any($1)',
      [ids],
    );
    return rows;
  } finally {
    await client.end();
  }
}

function auditLedger(ids: readonly string[], entries: readonly Entry[]): Finding {
  const broken = ids.flatMap((id) => {
    const own = entries.filter((entry) => entry.job_id === id);
    const sum = (kind: string) => sumOf(own.filter((entry) => entry.kind === kind));
    const holds = own.filter((entry) => entry.kind === 'hold').length;
    const isBalanced = sum('hold') === sum('settle') + sum('release');
    return holds === 1 && own.length > 1 && isBalanced ? [] : [`${id} ${JSON.stringify(own)}`];
  });
  return { claim: 'hold = settle + release, once for each job', checked: ids.length, broken };
}

async function auditAccount(system: LocalSystem, entries: readonly Entry[]): Promise<Finding> {
  const { baseUrl, apiKey: bearer } = system.credentials;
  const answer = await insist(() => call(`${baseUrl}/v1/account`, { bearer }));
  const { balance } = AccountView.parse(answer);
  const settled = sumOf(entries.filter((entry) => entry.kind === 'settle'));
  const figures = [
    ['spent', Math.round(balance.spent * MILLI), settled],
    ['held', Math.round(balance.held * MILLI), 0],
  ] as const;
  const broken = figures
    .filter(([, told, counted]) => told !== counted)
    .map(([name, told, counted]) => `${name}: account ${told}, ledger ${counted} millitokens`);
  return { claim: 'the account says what the ledger sums to', checked: figures.length, broken };
}

const ENDS = new Set(['job.complete', 'job.fail', 'job.return', 'job.lost']);

/** At most one attempt of a job at a time, and its fencing tokens rise. */
function auditAttempts(system: LocalSystem, ids: readonly string[]): Finding {
  const wanted = new Set(ids);
  const running = new Set<string>();
  const tokens = new Map<string, number>();
  const broken: string[] = [];
  let checked = 0;
  for (const line of readAgentLog(system)) {
    if (line.op === 'agent.start') running.clear(); // the process before it was killed
    if (line.jobId === undefined || !wanted.has(line.jobId)) continue;
    if (line.op !== undefined && ENDS.has(line.op)) running.delete(line.jobId);
    if (line.op !== 'job.start') continue;
    checked += 1;
    const before = tokens.get(line.jobId) ?? 0;
    if (running.has(line.jobId)) broken.push(`${line.jobId} started while it ran`);
    if ((line.fencingToken ?? 0) <= before) broken.push(`${line.jobId} token did not rise`);
    running.add(line.jobId);
    tokens.set(line.jobId, line.fencingToken ?? 0);
  }
  return { claim: 'no attempt overlapped another; fencing tokens rose', checked, broken };
}

type LogLine = { op?: string; jobId?: string; fencingToken?: number };

function readAgentLog(system: LocalSystem): LogLine[] {
  const file = join(system.data, 'logs', 'agent.log');
  const text = [`${file}.1`, file].map((path) =>
    existsSync(path) ? readFileSync(path, 'utf8') : '',
  );
  return text
    .join('')
    .split('\n')
    .flatMap((line) => {
      try {
        return [JSON.parse(line) as LogLine];
      } catch {
        return []; // cut by a kill
      }
    });
}

function sumOf(entries: readonly Entry[]): number {
  return entries.reduce((sum, entry) => sum + Number(entry.millitokens), 0);
}
