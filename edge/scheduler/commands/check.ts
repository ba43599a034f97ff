/**
 * Compares the system with the model after every command, by what users and agents are told:
 * each job's status, who may write under which token, each account's tokens. Also lets time pass,
 * since that is how leases end.
 */
import { expect } from 'vitest';
import type { JobRecord } from '#schema/record.ts';
import { readJobs } from '../../services/read-history.ts';
import { isEnded } from './model.ts';
import type { Model, ModelJob } from './model.ts';
import type { System } from './system.ts';

/** What a command takes; more than a round of deliveries rests. */
export const STEP_MS = 1000;

/** Moves the clock of both; what is due then happens. */
export async function pass(model: Model, system: System, ms: number): Promise<void> {
  model.now += ms;
  const due = model.inStatus('running').filter(({ endsFrom }) => endsFrom <= model.now);
  if (due.length > 0 || ms > STEP_MS) await system.sleepUntil(model.now);
  else system.now = model.now;
  for (const job of due) {
    const found = await find(system, job);
    if (found?.status !== 'running' || job.endsBy <= model.now) model.giveUp(job);
  }
}

/** Fails where the system shows anything else than the model knows. */
export async function compare(model: Model, system: System): Promise<void> {
  // Accounts first: a job that is found gone says of its account what held only then.
  await Promise.all(model.accounts.map((_, index) => compareAccount(model, system, index)));
  const jobs = [...model.jobs.values()].filter(({ isGone }) => !isGone);
  await Promise.all([
    ...model.agents.map((_, index) => compareAgent(model, system, index)),
    ...jobs.map((job) => compareJob(system, job)),
  ]);
}

async function compareJob(system: System, job: ModelJob): Promise<void> {
  const record = await find(system, job);
  if (record) return compareRecord(system, job, record);
  expect(isEnded(job), `${job.id} is ${job.status}, and its pool does not know it`).toBe(true);
  job.isGone = true;
  // A pool forgets a job once its account knows of its end.
  job.hasArrived = true;
}

/** The history has an account's jobs as they ended, and no other. */
export async function compareHistory(model: Model, system: System, index: number): Promise<void> {
  const { id: accountId } = system.accounts[index]!;
  const jobs = [...model.jobs.values()].filter(({ account }) => account === index);
  const records = await readJobs(system.env, { accountId, query: { limit: jobs.length + 1 } });
  expect(records.map(({ id }) => id).toSorted()).toEqual(jobs.map(({ id }) => id).toSorted());
  for (const record of records) compareRecord(system, model.jobs.get(record.id)!, record);
}

function compareRecord(system: System, job: ModelJob, record: JobRecord): void {
  const { status, attempt } = job;
  const shown = { id: record.id, status: record.status, attempt: record.attempt };
  expect(shown).toEqual({ id: job.id, status, attempt });
  if (status === 'running') {
    expect(record.agentId).toBe(system.boxes[job.holder!]!.credential.agentId);
    expect(record.cancelRequestedAt !== null).toBe(job.cancelAsked);
  }
  if (isEnded(job)) expect([job.id, record.settledMillitokens]).toEqual([job.id, job.settled]);
}

/** Each token that was ever given is good for exactly who holds it. */
async function compareAgent(model: Model, system: System, index: number): Promise<void> {
  const agent = model.agents[index]!;
  const answer = await system.boxes[index]!.control([...model.refs]);
  if (agent.isRevoked) {
    expect(answer).toEqual({ ok: false, error: { reason: 'unauthorized' } });
    return;
  }
  const held = model.refs.filter((ref) => model.holds(index, ref));
  expect(answer).toEqual({
    ok: true,
    value: {
      lost: model.refs.filter((ref) => !held.includes(ref)),
      cancel: held.filter(({ jobId }) => model.jobs.get(jobId)!.cancelAsked),
      drain: agent.isDraining,
    },
  });
}

async function compareAccount(model: Model, system: System, index: number): Promise<void> {
  const { object, caller } = system.accounts[index]!;
  const answer = await object.state(caller);
  if (model.accounts[index]!.plan === 'free') {
    expect(answer).toMatchObject({ ok: false, error: { reason: 'plan_required' } });
    return;
  }
  if (!answer.ok) throw new Error(answer.error.reason);
  const { heldMillitokens, spentMillitokens, limitMillitokens, jobsOpen } = answer.value.account;
  expect(heldMillitokens + spentMillitokens).toBeLessThanOrEqual(limitMillitokens);
  const open = model.ledger(index).open.least;
  if (jobsOpen === open) {
    // Nothing is under way: from here on the bounds are one figure.
    for (const job of model.jobs.values()) {
      if (job.account === index && isEnded(job)) job.hasArrived = true;
    }
  }
  const ledger = model.ledger(index);
  const shown = { held: heldMillitokens, spent: spentMillitokens, open: jobsOpen };
  for (const key of ['held', 'spent', 'open'] as const) {
    expect(shown[key], `${key} of account ${index}`).toBeGreaterThanOrEqual(ledger[key].least);
    expect(shown[key], `${key} of account ${index}`).toBeLessThanOrEqual(ledger[key].most);
  }
}

/** The job as its pool shows it to its account, or null. */
async function find(system: System, { id, account }: ModelJob): Promise<JobRecord | null> {
  const found = await system.scheduler.find(id, system.accounts[account]!.id);
  return found?.record ?? null;
}
