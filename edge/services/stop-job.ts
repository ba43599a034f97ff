/** Cancels any job for the operator; its account's audit tells why. */
import type { CancelView } from '#schema/api.ts';
import type { Result } from '../core/result.ts';
import type { Env } from '../env.ts';
import type { Deed } from '../rpc/account.ts';
import { cancelJob } from './cancel-job.ts';
import type { FindRefusal } from './find-job.ts';
import { findOwner } from './find-owner.ts';
import type { AnyJob } from './find-owner.ts';

/** As a cancel by its user; one that has ended stays as it ended. */
export async function stopJob(
  env: Env,
  job: AnyJob,
  deed: Deed,
): Promise<Result<CancelView['result'], FindRefusal>> {
  const owner = await findOwner(env, job);
  if (!owner.ok) return owner;
  const cancelled = await cancelJob(env, owner.value);
  if (!cancelled.ok) return cancelled;
  const detail = { result: cancelled.value };
  const note = { kind: 'note', action: 'job.cancel', target: job.jobId, detail } as const;
  await env.accounts.getByName(owner.value.accountId).administer(note, deed);
  return cancelled;
}
