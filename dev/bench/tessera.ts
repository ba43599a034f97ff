/**
 * Tessera as its users and agents call it, with the protocol's requests and nothing else: jobs of
 * many accounts by `/v1/jobs`, agents by `/agent/v1/*`. The test agents make no pictures: they
 * complete at once, without artifacts.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LeasedJob } from '#schema/agent-protocol.ts';
import { POLL_MS } from '#schema/limits.ts';
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
  readonly token: string;
  readonly sessionId: string;
}

/** Accounts that submit in turn: a service has many, and each is an object of its own. */
const ACCOUNTS = 64;
const AGAIN_MS = 20;
const RESIDENT = [REQUEST.model];
const TIMINGS = { loadMs: 0, serviceMs: 1, uploadMs: 0 };

/** Registers an agent that can run these models. */
export async function registerAgent(
  post: Post,
  token: string,
  models: readonly string[] = RESIDENT,
): Promise<TestAgent> {
  const sessionId = randomUUID();
  const engines = [{ engine: 'bench', version: '1', models }];
  const capabilities = { gpu: null, engines };
  const body = { sessionId, version: 'bench', capabilities, holding: [] };
  await post('/agent/v1/register', body, token);
  return { token, sessionId };
}

/** One long poll, or one look when it may not wait. */
export async function acquireJob(
  post: Post,
  agent: TestAgent,
  waitMs = POLL_MS,
): Promise<LeasedJob | null> {
  const { token, sessionId } = agent;
  const body = { sessionId, holding: [], resident: RESIDENT, waitMs };
  return ((await post('/agent/v1/acquire', body, token)) as { job: LeasedJob | null }).job;
}

/** Ends a job; brings the next one when there is one, unless it is the `last`. */
export async function completeJob(
  post: Post,
  agent: TestAgent,
  { job, last }: { job: LeasedJob; last: boolean },
): Promise<LeasedJob | null> {
  const { jobId, fencingToken } = job;
  const body = {
    sessionId: agent.sessionId,
    lease: { jobId, fencingToken },
    artifacts: [],
    usage: { steps: REQUEST.steps },
    timings: TIMINGS,
    next: last ? null : { resident: RESIDENT, holding: [] },
  };
  const answer = await post('/agent/v1/complete', body, agent.token);
  return (answer as { next: { job: LeasedJob | null } | null }).next?.job ?? null;
}

/** The requests of these agents, and of these accounts' keys in turn. */
export function tesseraWire(
  keys: readonly string[],
  agents: readonly TestAgent[],
): Wire<LeasedJob> {
  let turn = 0;
  return {
    submit: (submits, count) => submitJobs(submits, keys[turn++ % keys.length]!, count),
    acquire: (polls, agent) => acquireJob(polls, agents[agent]!),
    complete: (polls, agent, job) => completeJob(polls, agents[agent]!, { job, last: false }),
  };
}

/** Tessera with 16 test agents, once with jobs of many accounts in turn and once with one's. */
export async function startTessera(
  stand: Stand,
  post: Post,
): Promise<{ contenders: Contender[]; batches: boolean }> {
  const keys: string[] = [];
  for (let n = 0; n < ACCOUNTS; n += 1) keys.push(await stand.createAccount('pro'));
  const admin = await stand.createAccount('admin');
  const agents: TestAgent[] = [];
  for (let n = 0; n < AGENTS; n += 1) {
    agents.push(await registerAgent(post, await stand.issueAgent()));
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
