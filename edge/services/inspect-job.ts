/** Shows any job to the operator; its account's audit tells that he looked. */
import type { AdminJobView } from '#schema/admin.ts';
import { ok } from '../core/result.ts';
import type { Result } from '../core/result.ts';
import type { Env } from '../env.ts';
import type { Deed } from '../rpc/account.ts';
import { findJob } from './find-job.ts';
import type { FindRefusal } from './find-job.ts';
import { findOwner } from './find-owner.ts';
import type { AnyJob } from './find-owner.ts';
import { viewJob } from './view-job.ts';
import type { ViewContext } from './view-job.ts';

/** The job as it stands. */
export async function inspectJob(
  env: Env,
  { deed, ...job }: AnyJob & { readonly deed: Deed },
  context: ViewContext,
): Promise<Result<AdminJobView, FindRefusal>> {
  const owner = await findOwner(env, job);
  if (!owner.ok) return owner;
  const { accountId } = owner.value;
  const found = await findJob(env, owner.value);
  if (!found.ok) return found;
  const note = { kind: 'note', action: 'job.inspect', target: job.jobId, detail: {} } as const;
  await env.accounts.getByName(accountId).administer(note, deed);
  const { apiKeyId, agentId, requestId } = found.value.record;
  return ok({
    ...(await viewJob(found.value, context)),
    account_id: accountId,
    api_key_id: apiKeyId,
    agent_id: agentId,
    request_id: requestId,
  });
}
