/** Deletes a webhook endpoint, its log and what was still to be delivered. */
import type { Env } from '../env.ts';
import type { Deed } from '../rpc/account.ts';
import { findEndpoint } from './find-endpoint.ts';
import type { EndpointOwner } from './find-endpoint.ts';

/** False when the account has no such endpoint. */
export async function deleteEndpoint(env: Env, owner: EndpointOwner, deed: Deed): Promise<boolean> {
  if (!(await findEndpoint(env, owner))) return false;
  // The account knows it until the end, so that a delete that breaks off can be repeated.
  await env.webhookCouriers.getByName(owner.id).close();
  await env.accounts.getByName(owner.accountId).deleteEndpoint(owner.id, deed);
  return true;
}
