/**
 * Tessera as its users and agents call it: jobs of many accounts by `/v1/jobs`, agents by the real
 * agent's client, which is a socket each. The test agents make no pictures: they complete at once,
 * without artifacts.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LeasedJob } from '#schema/agent-protocol.ts';
import { ERRORS } from '#schema/error.ts';
import { POLL_MS } from '#schema/limits.ts';
import type { ModelId } from '#schema/model.ts';
import { EdgeClient } from '../../agent/edge-client.ts';
import type { Result } from '../../agent/edge-client.ts';
import type { CallFailure } from '../../agent/session/state.ts';
import { CallError } from '../api.ts';
import { AGENTS, REQUEST, type Contender } from './contender.ts';
import { HttpContender, type Post, type Wire } from './http-contender.ts';
import type { Stand } from './stand.ts';

/**
 * As traced in workerd: each commit of an object flushes its SQLite log (WAL, synchronous FULL),
 * and the output gate keeps the answer back until that is done.
 */
export const TESSERA_DURABILITY = 'fsync: WAL, each commit';

/** An agent that has registered. */
export interface TestAgent {
  readonly edge: EdgeClient;
  readonly sessionId: string;
}

/** Accounts that submit in turn: a service has many, and each is an object of its own. */
const ACCOUNTS = 64;
const AGAIN_MS = 20;
const RESIDENT: ModelId[] = [REQUEST.model];
/** The race has a patience of its own. */
const LIMITS = { timeoutMs: 600_000, signal: new AbortController().signal };
const TIMINGS = { loadMs: 0, serviceMs: 1, uploadMs: 0 };

/** Registers an agent that can run these models; it calls as a real one does. */
export async function registerAgent(
  url: string,
  token: string,
  models: readonly string[] = RESIDENT,
): Promise<TestAgent> {
  const edge = new EdgeClient({ url: new URL(url), token, version: 'bench' });
  const sessionId = randomUUID();
  const engines = [{ engine: 'bench', version: '1', models: [...models], batchMax: 1 }];
  const capabilities = { gpu: null, engines };
  take(
    await edge.call('register', { sessionId, version: 'bench', capabilities, holding: [] }, LIMITS),
  );
  return { edge, sessionId };
}

/** One long poll, or one look when it may not wait. */
export async function acquireJob(
  { edge, sessionId }: TestAgent,
  waitMs = POLL_MS,
): Promise<LeasedJob | null> {
  const body = { sessionId, holding: [], resident: RESIDENT, busyMs: 0, waitMs };
  return take(await edge.call('acquire', body, LIMITS)).job;
}

/** Ends a job; brings the next one when there is one, unless it is the `last`. */
export async function completeJob(
  { edge, sessionId }: TestAgent,
  { job, last }: { job: LeasedJob; last: boolean },
): Promise<LeasedJob | null> {
  const { jobId, fencingToken } = job;
  const body = {
    sessionId,
    lease: { jobId, fencingToken },
    artifacts: [],
    usage: { steps: REQUEST.steps },
    timings: TIMINGS,
    next: last ? null : { resident: RESIDENT, holding: [], busyMs: 0 },
  };
  return take(await edge.call('complete', body, LIMITS)).next?.job ?? null;
}

/** The requests of these agents, and of these accounts' keys in turn. */
export function tesseraWire(
  keys: readonly string[],
  agents: readonly TestAgent[],
): Wire<LeasedJob> {
  let turn = 0;
  return {
    submit: (submits, count) => submitJobs(submits, keys[turn++ % keys.length]!, count),
    acquire: (_, agent) => acquireJob(agents[agent]!),
    complete: (_, agent, job) => completeJob(agents[agent]!, { job, last: false }),
    close: async () => {
      await Promise.all(agents.map(({ edge }) => edge.close()));
    },
  };
}

function take<T>(result: Result<T, CallFailure>): T {
  if (result.ok) return result.value;
  const { failure } = result;
  if (failure.reason !== 'refused') throw new Error(failure.detail);
  throw new CallError('/agent/v1', ERRORS[failure.code].status, failure.detail);
}

/** Tessera with 16 test agents, once with jobs of many accounts in turn and once with one's. */
export async function startTessera(
  stand: Stand,
): Promise<{ contenders: Contender[]; batches: boolean }> {
  const keys: string[] = [];
  for (let n = 0; n < ACCOUNTS; n += 1) keys.push(await stand.createAccount('pro'));
  const admin = await stand.createAccount('admin');
  const agents: TestAgent[] = [];
  for (let n = 0; n < AGENTS; n += 1) {
    agents.push(await registerAgent(stand.url, await stand.issueAgent()));
  }
  const wire = tesseraWire(keys, agents);
  const many = new HttpContender({
    system: 'tessera',
    durability: TESSERA_DURABILITY,
    url: stand.url,
    wire,
    settle: () => stand.settle(),
    end: () => Promise.resolve(),
  });
  const one = many.variant('tessera, one account', (submits, count) =>
    submitJobs(submits, admin, count),
  );
  return { contenders: [many, one], batches: await takesBatches(stand, admin) };
}

/**
 * Submits until all are accepted. An account may have so many jobs open and hears of their ends a
 * little later than their agents: what is refused for that is submitted again, as clients do.
 */
async function submitJobs(post: Post, key: string, count: number): Promise<void> {
  for (let left = count; left > 0;) {
    const accepted = left === 1 ? await submitOne(post, key) : await submitBatch(post, key, left);
    left -= accepted;
    if (accepted === 0) await sleep(AGAIN_MS);
  }
}

/** How many were accepted: one or none. */
async function submitOne(post: Post, key: string): Promise<number> {
  try {
    await post('/v1/jobs', REQUEST, key);
    return 1;
  } catch (error) {
    if (error instanceof CallError && error.status === 429) return 0;
    throw error;
  }
}

async function submitBatch(post: Post, key: string, count: number): Promise<number> {
  const body = { jobs: Array.from({ length: count }, () => REQUEST) };
  const { jobs } = (await post('/v1/jobs/batch', body, key)) as { jobs: BatchAnswer[] };
  const refused = jobs.flatMap(({ error }) => (error === undefined ? [] : [error]));
  const fault = refused.find(({ code }) => code !== 'too_many_jobs');
  if (fault !== undefined) throw new Error(`a job was refused: ${fault.code}`);
  return jobs.length - refused.length;
}

interface BatchAnswer {
  readonly error?: { readonly code: string };
}

/** Whether this build takes batches. */
async function takesBatches(stand: Stand, key: string): Promise<boolean> {
  const answer = await fetch(`${stand.url}/v1/jobs/batch`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ jobs: [] }),
  });
  await answer.body?.cancel();
  return answer.status !== 404 && answer.status !== 405;
}
