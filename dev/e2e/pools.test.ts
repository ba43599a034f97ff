/**
 * Growth without a pause: a second agent, then a second pool, join the whole system while jobs
 * run, and one agent serves both pools with its one engine. No job is lost, and the jobs of an
 * account start in the order in which they came.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { AgentView, CreatedAccount, CreatedAgent, JobView } from '#schema/api.ts';
import { JobId, parseAgentToken, poolOfJob } from '#schema/id.ts';
import { call, insist, isTerminal } from '../api.ts';
import { Part } from '../part.ts';
import { findFreePort } from '../port.ts';
import { removePostgresData } from '../postgres-home.ts';
import { quiet } from '../progress.ts';
import { STOP_MS } from '../stop-times.ts';
import { LocalSystem } from '../system.ts';

const SPEC = { type: 'image', prompt: 'a red boat', width: 320, height: 320, steps: 12 } as const;
/** Accounts in each pool at least, and jobs that each submits at a time. */
const ACCOUNTS = 3;
const JOBS = 3;
/** An account goes to one of two pools by its id: of forty, three go to either. */
const ACCOUNTS_MAX = 40;
const ENDS = { timeout: 90_000, interval: 250 };

const CompleteLine = z.object({ jobId: JobId, status: z.string() });

let data: string;
let system: LocalSystem;
const parts: Part[] = [];
/** What was accepted, in the order of its acceptance, by account. */
const accepted = new Map<string, string[]>();

beforeAll(async () => {
  data = mkdtempSync(join(tmpdir(), 'tessera-pools-'));
  const bindings = { POOLS: 'main' };
  system = new LocalSystem({
    data,
    port: await findFreePort(),
    site: false,
    bindings,
    print: quiet,
  });
  await system.start();
});

afterAll(async () => {
  await Promise.all(parts.map((part) => part.stop()));
  await system.stop();
  removePostgresData(join(data, 'postgres'));
  rmSync(data, { recursive: true, force: true });
});

async function administer(path: string, body: object): Promise<unknown> {
  const bearer = system.credentials.adminKey;
  return insist(() => call(`${system.baseUrl}/admin/v1/${path}`, { method: 'POST', bearer, body }));
}

async function createAccount(name: string): Promise<string> {
  const created = await administer('accounts', { name, plan: 'pro' });
  const { api_key: key } = CreatedAccount.parse(created);
  accepted.set(key, []);
  return key;
}

async function issueToken(name: string): Promise<string> {
  return CreatedAgent.parse(await administer('agents', { name })).token;
}

/** Another agent on this box; the folder is its own, as is its health port. */
async function startAgent(name: string, tokens: readonly string[]): Promise<Part> {
  const part = new Part({
    name,
    args: [join(import.meta.dirname, '..', '..', 'agent', 'main.ts')],
    env: {
      TESSERA_URL: system.baseUrl,
      TESSERA_AGENT_TOKEN: tokens.join(','),
      TESSERA_DATA: join(data, name),
      TESSERA_HEALTH_PORT: '0',
    },
    cwd: data,
    logDir: join(data, 'logs'),
    stopMs: STOP_MS.agent,
    announces: false,
    print: quiet,
  });
  parts.push(part);
  await part.start();
  return part;
}

/** Waits until the agents of these tokens are online. */
async function waitForAgents(tokens: readonly string[]): Promise<void> {
  const bearer = system.credentials.adminKey;
  await vi.waitFor(async () => {
    const answer = await call(`${system.baseUrl}/admin/v1/agents`, { bearer });
    const { data: agents } = z.object({ data: z.array(AgentView) }).parse(answer);
    const online = agents.filter((agent) => agent.online).map(({ id }) => id);
    expect(online).toEqual(expect.arrayContaining(tokens.map(agentOf)));
  }, ENDS);
}

const agentOf = (token: string) => parseAgentToken(token)!.agentId;

async function submit(key: string): Promise<string> {
  const jobs = accepted.get(key)!;
  const headers = { 'idempotency-key': `pools-${jobs.length}` };
  const url = `${system.baseUrl}/v1/jobs`;
  const answer = await insist(() =>
    call(url, { method: 'POST', bearer: key, body: SPEC, headers }),
  );
  const { id } = JobView.parse(answer);
  jobs.push(id);
  return id;
}

async function submitAll(): Promise<void> {
  for (let count = 0; count < JOBS; count++) {
    await Promise.all([...accepted.keys()].map((key) => submit(key)));
  }
}

async function readAll(): Promise<{ key: string; jobs: JobView[] }[]> {
  return Promise.all(
    [...accepted].map(async ([key, ids]) => {
      const jobs = ids.map(async (id) =>
        JobView.parse(await call(`${system.baseUrl}/v1/jobs/${id}`, { bearer: key })),
      );
      return { key, jobs: await Promise.all(jobs) };
    }),
  );
}

async function countEnded(): Promise<number> {
  return (await readAll()).flatMap(({ jobs }) => jobs).filter(isTerminal).length;
}

/** Jobs that an agent completed, by its log. */
function countCompleted(name: string, pool?: string): number {
  const lines = readFileSync(join(data, 'logs', `${name}.log`), 'utf8').split('\n');
  const jobs = lines.flatMap((line) => {
    if (!line.includes('"op":"job.complete"')) return [];
    const { jobId, status } = CompleteLine.parse(JSON.parse(line));
    return status === 'completed' ? [jobId] : [];
  });
  return jobs.filter((id) => pool === undefined || poolOfJob(id) === pool).length;
}

/** Every job is completed once, in its account's order within a pool. */
async function expectAllDone(): Promise<JobView[]> {
  const accounts = await vi.waitFor(async () => {
    const now = await readAll();
    expect(now.flatMap(({ jobs }) => jobs).filter((job) => !isTerminal(job))).toEqual([]);
    return now;
  }, ENDS);
  for (const { jobs } of accounts) {
    for (const pool of new Set(jobs.map(({ id }) => poolOfJob(id)))) {
      const starts = jobs
        .filter(({ id }) => poolOfJob(id) === pool)
        .map((job) => Date.parse(job.started_at ?? ''));
      expect(starts).toEqual(starts.toSorted((one, other) => one - other));
    }
  }
  const jobs = accounts.flatMap((account) => account.jobs);
  expect(jobs.filter(({ status }) => status !== 'completed')).toEqual([]);
  return jobs;
}

let second: { part: Part; token: string };

it('a second agent takes its share of the jobs that wait', async () => {
  for (let count = 0; count < ACCOUNTS; count++) await createAccount(`account ${count}`);
  await submitAll();
  const token = await issueToken('second');
  expect(await countEnded()).toBeLessThan(ACCOUNTS * JOBS);
  second = { part: await startAgent('second', [token]), token };
  await waitForAgents([token]);
  await submitAll();
  const jobs = await expectAllDone();
  expect(jobs).toHaveLength(2 * ACCOUNTS * JOBS);
  expect(countCompleted('second')).toBeGreaterThan(0);
  expect(countCompleted('second') + countCompleted('agent')).toBe(jobs.length);
});

it('a second pool joins while jobs run, and an agent with two tokens serves both', async () => {
  await submitAll();
  // A deploy: what runs goes on, and every connection is dropped.
  await system.redeploy({ POOLS: 'main,side' });
  const side = await issueToken('side');
  expect(parseAgentToken(side)?.pool).toBe('side');
  await second.part.stop();
  const tokens = [second.token, side];
  await startAgent('second', tokens);
  await waitForAgents(tokens);
  const found: Record<string, number> = { main: 0, side: 0 };
  const enough = () => Object.values(found).every((accounts) => accounts >= ACCOUNTS);
  for (let count = 0; count < ACCOUNTS_MAX && !enough(); count++) {
    const key = await createAccount(`later ${count}`);
    const pool = poolOfJob(await submit(key))!;
    found[pool]! += 1;
  }
  expect(enough()).toBe(true);
  const before = countCompleted('second', 'main');
  await submitAll();
  const jobs = await expectAllDone();
  const inSide = jobs.filter(({ id }) => poolOfJob(id) === 'side');
  // Nobody else serves the new pool, and the old one is served beside it.
  expect(countCompleted('second', 'side')).toBe(inSide.length);
  expect(countCompleted('second', 'main')).toBeGreaterThan(before);
});
