/**
 * An account with a long history: jobs really submitted, run and ended until there are enough, a
 * few of them cancelled, then some that stay live. Read back page by page, each job once.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { JobBatchView, JobList } from '#schema/api.ts';
import { JOBS_PER_BATCH_MAX, PAGE_MAX } from '#schema/limits.ts';
import { REQUEST } from '../contender.ts';
import type { Finding } from '../../soak-audit.ts';
import type { Client } from './client.ts';
import { wishOf } from './crowd.ts';

/** Batches under way at once. */
const SUBMITTERS = 4;
const AGAIN_MS = 100;
/** One job of so many is cancelled. */
const CANCELLED_EVERY = 100;

export interface Reader {
  readonly client: Client;
  readonly bearer: string;
}

/** Submits `count` jobs by batches and cancels a few; answers their ids when all are accepted. */
export async function fillHistory(reader: Reader, count: number): Promise<string[]> {
  const ids: string[] = [];
  let left = count;
  const submitter = async () => {
    while (left > 0) {
      const size = Math.min(JOBS_PER_BATCH_MAX, left);
      left -= size;
      const taken = await submitBatch(reader, size, count - left);
      ids.push(...taken);
      left += size - taken.length;
      if (taken.length < size) await sleep(AGAIN_MS);
      await cancelSome(reader, taken);
    }
  };
  await Promise.all(Array.from({ length: SUBMITTERS }, submitter));
  return ids;
}

/** One batch; what is refused since too many are open is left to the next. */
async function submitBatch(
  { client, bearer }: Reader,
  size: number,
  from: number,
): Promise<string[]> {
  const jobs = Array.from({ length: size }, (_, n) => wishOf(from + n));
  const body = { jobs };
  const answer = await client.insist('/v1/jobs/batch', { method: 'POST', bearer, body });
  if (answer.status !== 200) throw new Error(`a batch was answered ${answer.status}`);
  return JobBatchView.parse(answer.body).jobs.flatMap((part) => {
    if ('job' in part) return [part.job.id];
    if (part.error.code === 'too_many_jobs') return [];
    throw new Error(`a job was refused: ${part.error.message}`);
  });
}

async function cancelSome({ client, bearer }: Reader, ids: readonly string[]): Promise<void> {
  for (let at = 0; at < ids.length; at += CANCELLED_EVERY) {
    await client.insist(`/v1/jobs/${ids[at]!}/cancel`, { method: 'POST', bearer });
  }
}

/** Submits jobs that nobody runs; answers their ids. */
export async function submitLive({ client, bearer }: Reader, count: number): Promise<string[]> {
  const body = { jobs: Array.from({ length: count }, () => REQUEST) };
  const answer = await client.insist('/v1/jobs/batch', { method: 'POST', bearer, body });
  return JobBatchView.parse(answer.body).jobs.map((part) => {
    if ('job' in part) return part.job.id;
    throw new Error(`a job was refused: ${part.error.message}`);
  });
}

/** The cursors of a history, the oldest last, and whether the pages have each job once. */
export async function walkHistory(
  { client, bearer }: Reader,
  ids: readonly string[],
): Promise<{ cursors: string[]; finding: Finding }> {
  const cursors: string[] = [];
  const found: string[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const after: string = cursor === '' ? '' : `&cursor=${cursor}`;
    const answer = await client.insist(`/v1/jobs?limit=${PAGE_MAX}${after}`, { bearer });
    const page = JobList.parse(answer.body);
    found.push(...page.data.map(({ id }) => id));
    cursor = page.next_cursor;
    if (cursor !== null) cursors.push(cursor);
  }
  const wanted = ids.toSorted().toReversed();
  const broken = wanted.filter((id, place) => found[place] !== id);
  if (found.length > wanted.length) broken.push(`${found.length} on the pages`);
  const claim = 'the pages have every job of the history, once, newest first';
  return { cursors, finding: { claim, checked: wanted.length, broken } };
}
