/**
 * What agents call: acquire, alone and all at once, with answers that get lost; heartbeats; the
 * ends of attempts under live and stale tokens, and repeated; new sessions.
 */
import { expect } from 'vitest';
import type { AcquireAnswer, LeaseRef } from '#schema/agent-protocol.ts';
import {
  ATTEMPTS_MAX,
  ESCAPE_AFTER_MS,
  HEARTBEAT_MS,
  JOB_RUN_MS_MAX,
  LEASES_PER_AGENT_MAX,
} from '#schema/limits.ts';
import { TIERS } from '#schema/plan.ts';
import { pass } from './check.ts';
import { makeCommand, pick } from './command.ts';
import type { Command } from './command.ts';
import { isEnded } from './model.ts';
import type { Model, ModelJob } from './model.ts';
import type { EndKind, System } from './system.ts';

/** An agent asks for a job; a lost answer leaves it ignorant of what it was given. */
export function acquire(agent: number, isLost: boolean): Command {
  return makeCommand(`acquire(${agent}${isLost ? ', answer lost' : ''})`, (model, system) =>
    ask(model, system, { agent, isLost }),
  );
}

/** All agents ask in the same instant. */
export function acquireAtOnce(): Command {
  return makeCommand('acquireAtOnce()', async (model, system) => {
    const calls = system.boxes.map((box, agent) => box.acquire(refsOf(model.heardBy(agent))));
    const answers = await Promise.all(calls);
    for (const [agent, answer] of answers.entries()) {
      followAcquire(model, answer, { agent, isLost: false });
    }
  });
}

/** As `acquire`, without the comparison. */
export async function ask(
  model: Model,
  system: System,
  by: { agent: number; isLost: boolean },
): Promise<void> {
  const answer = await system.boxes[by.agent]!.acquire(refsOf(model.heardBy(by.agent)));
  followAcquire(model, answer, by);
}

type Acquired = Awaited<ReturnType<System['boxes'][number]['acquire']>>;

function followAcquire(
  model: Model,
  answer: Acquired,
  by: { agent: number; isLost: boolean },
): void {
  if (model.agents[by.agent]!.isRevoked) {
    expect(answer).toEqual({ ok: false, error: { reason: 'unauthorized' } });
    return;
  }
  if (!answer.ok) throw new Error(answer.error.reason);
  followGrants(model, answer.value, by);
}

/** What it does not know of is given again, under another token; else it gets the next job. */
function followGrants(
  model: Model,
  { job: first, batch, drain }: AcquireAnswer,
  { agent, isLost }: { agent: number; isLost: boolean },
): void {
  const self = model.agents[agent]!;
  expect(drain).toBe(self.isDraining);
  const granted = first ? [first, ...batch] : [];
  const unheard = model.heldBy(agent).filter(({ id }) => !self.heard.has(id));
  for (const job of unheard) if (job.cancelAsked) model.end(job, 'cancelled', 0);
  const again = unheard.filter(({ cancelAsked }) => !cancelAsked);
  const ids = granted.map(({ jobId }) => jobId);
  if (again.length > 0) expect(ids.toSorted()).toEqual(idsOf(again).toSorted());
  else if (self.isDraining) expect(ids).toEqual([]);
  else expectRightChoice(model, agent, ids);
  for (const given of granted) {
    const job = model.jobs.get(given.jobId)!;
    if (again.length === 0) {
      expect(job.status).toBe('queued');
      expect(self.models).toContain(job.model);
      job.attempt += 1;
    }
    model.grant(job, agent);
    const { jobId, fencingToken, attempt, expiresAt } = given;
    expect({ jobId, fencingToken, attempt, expiresAt }).toEqual({
      jobId: job.id,
      fencingToken: job.token,
      attempt: job.attempt,
      expiresAt: job.endsBy,
    });
    if (isLost) self.heard.delete(job.id);
    else self.heard.add(job.id);
  }
}

/** Nobody idles beside work, tiers are strict, an account's jobs of a model keep their order. */
function expectRightChoice(model: Model, agent: number, ids: readonly string[]): void {
  const waiting = model.runnableBy(agent).filter((job) => !model.mayBeLeft(job, agent));
  const first = model.jobs.get(ids[0] ?? '');
  if (!first) {
    if (model.heldBy(agent).length >= LEASES_PER_AGENT_MAX) return;
    expect(idsOf(waiting), `agent ${agent} got nothing`).toEqual([]);
    return;
  }
  expect([first.id, first.status]).toEqual([first.id, 'queued']);
  const rank = (job: ModelJob) => TIERS.indexOf(tierOf(model, job));
  const isOverdue = model.now - first.submittedAt > ESCAPE_AFTER_MS[tierOf(model, first)];
  if (!isOverdue) {
    const higher = waiting.filter((job) => rank(job) < rank(first));
    expect(idsOf(higher), `${first.id} went before a higher tier`).toEqual([]);
  }
  const line = model.runnableBy(agent).filter((job) => isAlike(job, first));
  const older = line.slice(0, line.indexOf(first)).filter(({ failedBy }) => failedBy !== agent);
  expect(idsOf(older), `${first.id} went before an older one`).toEqual([]);
}

function isAlike(one: ModelJob, other: ModelJob): boolean {
  return one.account === other.account && one.model === other.model;
}

function idsOf(jobs: readonly ModelJob[]): string[] {
  return jobs.map(({ id }) => id);
}

function tierOf(model: Model, { account }: ModelJob) {
  return model.accounts[account]!.plan;
}

/** A heartbeat, for what the agent holds and for some of what it never held or lost. */
export function renew(agent: number, draw: number): Command {
  return makeCommand(`renew(${agent}, ${draw})`, (model, system) =>
    beat(model, system, { agent, other: pick(model.refs, draw) }),
  );
}

/** All agents run on, with as many heartbeats: nobody loses anything. */
export function runOn(beats: number): Command {
  return makeCommand(`runOn(${beats})`, async (model, system) => {
    for (let count = 0; count < beats; count++) {
      await pass(model, system, HEARTBEAT_MS);
      for (const agent of model.agents.keys()) await beat(model, system, { agent });
    }
  });
}

async function beat(
  model: Model,
  system: System,
  { agent, other }: { agent: number; other?: LeaseRef | undefined },
): Promise<void> {
  const heard = model.heardBy(agent);
  const refs = refsOf(heard);
  const isForeign = other && !model.holds(agent, other);
  const answer = await system.boxes[agent]!.renew(isForeign ? [...refs, other] : refs);
  if (model.agents[agent]!.isRevoked) {
    expect(answer).toEqual({ ok: false, error: { reason: 'unauthorized' } });
    return;
  }
  const extended = heard.filter(
    (job) => !job.cancelAsked && model.now - job.startedAt <= JOB_RUN_MS_MAX,
  );
  for (const job of extended) model.extend(job);
  expect(answer).toMatchObject({
    ok: true,
    value: {
      held: refsOf(extended),
      lost: isForeign ? [other] : [],
      cancel: refsOf(heard.filter(({ cancelAsked }) => cancelAsked)),
    },
  });
}

/** How a call of `end` is made. */
interface EndMore {
  readonly steps: number;
  readonly asksNext: boolean;
}

/** An agent ends an attempt that it holds, and may ask for the next job with it. */
export function end(draw: number, how: EndKind, more: EndMore): Command {
  const { steps, asksNext } = more;
  const heard = (model: Readonly<Model>) => model.inStatus('running').filter(model.isHeard);
  return makeCommand(
    `end(${draw}, ${how}, ${steps} steps${asksNext ? ', next' : ''})`,
    async (model, system) => {
      const job = pick(heard(model), draw);
      // It may have lapsed in this very second.
      if (job) await endAttempt(model, system, { agent: job.holder!, how, job, ...more });
    },
    (model) => heard(model).length > 0,
  );
}

/** As `end`, for a known job. */
export async function endAttempt(
  model: Model,
  system: System,
  call: { agent: number; how: EndKind; job: ModelJob } & EndMore,
): Promise<void> {
  const { agent, how, job, steps, asksNext } = call;
  const self = model.agents[agent]!;
  const [lease] = refsOf([job]) as [LeaseRef];
  const kept = refsOf(model.heardBy(agent).filter((held) => held !== job));
  const answer = await system.boxes[agent]!.end(how, lease, {
    steps,
    next: asksNext ? kept : null,
  });
  if (self.isRevoked) {
    expect(answer).toEqual({ ok: false, error: { reason: 'unauthorized' } });
    return;
  }
  if (!answer.ok) throw new Error(answer.error.reason);
  self.heard.delete(job.id);
  conclude(model, job, { agent, how, steps });
  expect([job.id, answer.value.status]).toEqual([job.id, job.status]);
  if (asksNext) followGrants(model, answer.value.next!, { agent, isLost: false });
  else expect(answer.value.next).toBeNull();
}

function conclude(
  model: Model,
  job: ModelJob,
  { agent, how, steps }: { agent: number; how: EndKind; steps: number },
): void {
  if (job.cancelAsked) {
    const share = Math.min(1, steps / job.steps);
    return model.end(job, 'cancelled', Math.ceil(job.held * share));
  }
  switch (how) {
    case 'complete':
      return model.end(job, 'completed', job.held);
    case 'fail_finally':
      return model.end(job, 'failed', 0);
    case 'fail_retryable':
      if (job.attempt >= ATTEMPTS_MAX) return model.end(job, 'failed', 0);
      job.failedBy = agent;
      return model.requeue(job);
    case 'return':
      job.attempt -= 1;
      return model.requeue(job);
  }
}

/**
 * An agent ends an attempt that is not its own, any more or at all. The repeat of a call whose
 * answer was lost is told how the job ended while its pool knows; nothing ever changes.
 */
export function endStale(agent: number, how: EndKind, draw: number): Command {
  const stale = (model: Readonly<Model>) => model.refs.filter((ref) => !model.holds(agent, ref));
  return makeCommand(
    `endStale(${agent}, ${how}, ${draw})`,
    async (model, system) => {
      const ref = pick(stale(model), draw);
      if (!ref) return;
      const answer = await system.boxes[agent]!.end(how, ref, { steps: 20, next: null });
      if (model.agents[agent]!.isRevoked) {
        expect(answer).toEqual({ ok: false, error: { reason: 'unauthorized' } });
        return;
      }
      const job = model.jobs.get(ref.jobId)!;
      const isRepeat = isEnded(job) && job.token === ref.fencingToken;
      if (answer.ok && isRepeat) expect(answer.value).toEqual({ status: job.status, next: null });
      else expect(answer).toEqual({ ok: false, error: { reason: 'lease_lost', lease: ref } });
      expect(answer.ok || !isRepeat || !(await knows(system, job)), 'a repeat is told').toBe(true);
    },
    (model) => stale(model).length > 0,
  );
}

async function knows(system: System, { id }: ModelJob): Promise<boolean> {
  return (await system.scheduler.known([id])).length > 0;
}

/** A new session of an agent takes its leases over, or has lost them with its process. */
export function restart(agent: number, keepsWork: boolean): Command {
  const title = `restart(${agent}, ${keepsWork ? 'keeps' : 'loses'} its work)`;
  return makeCommand(title, async (model, system) => {
    const box = system.boxes[agent]!;
    const self = model.agents[agent]!;
    const former = box.sessionId;
    box.sessionId = crypto.randomUUID();
    const heard = keepsWork ? model.heardBy(agent) : [];
    const holding = refsOf(heard);
    const answer = await box.register(holding);
    if (self.isRevoked) {
      expect(answer).toEqual({ ok: false, error: { reason: 'unauthorized' } });
      return;
    }
    self.isDraining = false;
    for (const job of model.heldBy(agent)) {
      if (heard.includes(job)) model.extend(job);
      else {
        model.giveUp(job);
        self.heard.delete(job.id);
      }
    }
    const cancel = refsOf(heard.filter(({ cancelAsked }) => cancelAsked));
    expect(answer).toMatchObject({ ok: true, value: { lost: [], cancel } });
    await expectDeaf(system, { agent, former, holding });
  });
}

/** The session before is told that it is not known any more, and changes nothing. */
async function expectDeaf(
  system: System,
  { agent, former, holding }: { agent: number; former: string; holding: LeaseRef[] },
): Promise<void> {
  const box = system.boxes[agent]!;
  const present = box.sessionId;
  box.sessionId = former;
  const refusal = { ok: false, error: { reason: 'not_registered' } };
  expect(await box.acquire(holding)).toEqual(refusal);
  expect(await box.renew(holding)).toEqual(refusal);
  for (const ref of holding) {
    expect(await box.end('complete', ref, { steps: 20, next: null })).toEqual(refusal);
  }
  box.sessionId = present;
}

/** The same session announces itself again, as after an answer that was lost. */
export function registerAgain(agent: number): Command {
  return makeCommand(`registerAgain(${agent})`, async (model, system) => {
    const heard = model.heardBy(agent);
    const answer = await system.boxes[agent]!.register(refsOf(heard));
    if (model.agents[agent]!.isRevoked) {
      expect(answer).toEqual({ ok: false, error: { reason: 'unauthorized' } });
      return;
    }
    model.agents[agent]!.isDraining = false;
    const cancel = refsOf(heard.filter(({ cancelAsked }) => cancelAsked));
    expect(answer).toMatchObject({ ok: true, value: { lost: [], cancel } });
  });
}

function refsOf(jobs: readonly ModelJob[]): LeaseRef[] {
  return jobs.map(({ id, token }) => ({ jobId: id, fencingToken: token }));
}
