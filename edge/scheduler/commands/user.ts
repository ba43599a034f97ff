/** Cancels, by a job's own account and by another, of jobs in any state. */
import { expect } from 'vitest';
import { cancelJob } from '../../services/cancel-job.ts';
import { makeCommand, pick } from './command.ts';
import type { Command } from './command.ts';
import { isEnded } from './model.ts';
import type { Model, ModelJob } from './model.ts';
import type { System } from './system.ts';

/** The user takes a job back. */
export function cancel(draw: number): Command {
  return makeCommand(
    `cancel(${draw})`,
    async (model, system) => {
      await takeBack(model, system, pick([...model.jobs.values()], draw)!);
    },
    ({ jobs }) => jobs.size > 0,
  );
}

/** As `cancel`, for a known job. */
export async function takeBack(model: Model, system: System, job: ModelJob): Promise<void> {
  const owner = { jobId: job.id, accountId: system.accounts[job.account]!.id };
  const answer = await cancelJob(system.env, owner);
  if (isEnded(job)) {
    expect(answer).toEqual({ ok: true, value: 'already_finished' });
    return;
  }
  const isRunning = job.status === 'running';
  expect(answer).toEqual({ ok: true, value: isRunning ? 'cancel_requested' : 'cancelled' });
  job.cancelAsked = true;
  if (!isRunning) model.end(job, 'cancelled', 0);
}

/** Someone else knows the id, and gets nowhere with it. */
export function cancelAsStranger(draw: number): Command {
  return makeCommand(
    `cancelAsStranger(${draw})`,
    async (model, system) => {
      const job = pick([...model.jobs.values()], draw)!;
      const stranger = system.accounts[(job.account + 1) % system.accounts.length]!;
      expect(await system.scheduler.find(job.id, stranger.id)).toBeNull();
      const answer = await cancelJob(system.env, { jobId: job.id, accountId: stranger.id });
      expect(answer).toEqual({ ok: false, error: { reason: 'job_not_found' } });
    },
    ({ jobs }) => jobs.size > 0,
  );
}
