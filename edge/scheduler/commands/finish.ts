/**
 * The end of a run: every job is brought to its end and everyone is told, however the run left
 * them. Then nothing is held, what is spent is the sum of what was settled, and the history has
 * each job as it ended.
 */
import { expect } from 'vitest';
import { LEASE_MS } from '#schema/limits.ts';
import { eventually } from '../../test/world.ts';
import { ask, endAttempt } from './agent.ts';
import { STEP_MS, compare, compareHistory, pass } from './check.ts';
import { isEnded } from './model.ts';
import type { Model } from './model.ts';
import type { System } from './system.ts';
import { takeBack } from './user.ts';

/** Waits of a lease that end every lease, also after a restart's grace. */
const WAITS_MAX = 4;

/** Ends and delivers all, and checks the sums. */
export async function finish(model: Model, system: System): Promise<void> {
  const open = [...model.jobs.values()].filter((job) => !isEnded(job));
  for (const [index, job] of open.entries()) {
    if (index % 2 === 0) await takeBack(model, system, job);
  }
  await releaseHeld(model, system);
  await runRest(model, system);
  expect([...model.jobs.values()].filter((job) => !isEnded(job))).toEqual([]);
  await deliverAll(model, system);
  await compare(model, system);
  for (const index of model.accounts.keys()) {
    const { held, spent, open: left } = model.ledger(index);
    const none = { least: 0, most: 0 };
    // The bounds have met, and `compare` found the account's figures within them.
    expect({ held, open: left }).toEqual({ held: none, open: none });
    expect(spent.least).toBe(spent.most);
  }
  await Promise.all(model.accounts.map((_, index) => compareHistory(model, system, index)));
}

/** Agents end what they know of; the rest lapses. */
async function releaseHeld(model: Model, system: System): Promise<void> {
  for (const [agent, { isRevoked }] of model.agents.entries()) {
    if (isRevoked) continue;
    for (const job of model.heardBy(agent)) {
      await pass(model, system, STEP_MS);
      if (job.holder !== agent) continue;
      await endAttempt(model, system, { agent, how: 'complete', job, steps: 5, asksNext: false });
    }
  }
  for (let count = 0; count < WAITS_MAX && model.inStatus('running').length > 0; count++) {
    await pass(model, system, LEASE_MS);
  }
  expect(model.inStatus('running')).toEqual([]);
}

/** A new agent runs all that waits. */
async function runRest(model: Model, system: System): Promise<void> {
  const models = ['painter', 'flux-dev', 'sdxl'];
  await system.addBox({ models, batchMax: 1 });
  model.agents.push({ models, heard: new Set(), isDraining: false, isRevoked: false });
  const agent = model.agents.length - 1;
  while (model.inStatus('queued').length > 0) {
    await ask(model, system, { agent, isLost: false });
    for (const job of model.heardBy(agent)) {
      await pass(model, system, STEP_MS);
      await endAttempt(model, system, { agent, how: 'complete', job, steps: 5, asksNext: false });
    }
    // What this agent ran stays ended, so that each round has fewer jobs.
    expect(model.heldBy(agent)).toEqual([]);
  }
}

async function deliverAll(model: Model, system: System): Promise<void> {
  await eventually(async () => {
    const { undelivered } = await system.scheduler.overview();
    if (undelivered.account === 0 && undelivered.postgres === 0) return true;
    await pass(model, system, STEP_MS);
    await system.fireAlarms();
    return false;
  });
}
