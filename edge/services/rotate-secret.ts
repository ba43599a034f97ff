/** Gives a webhook endpoint a new secret; for a while the old one signs too. */
import type { WebhookView } from '#schema/webhook.ts';
import type { Env } from '../env.ts';
import type { Deed } from '../rpc/account.ts';
import { makeWebhookSecret } from '../io/signature.ts';
import { findEndpoint } from './find-endpoint.ts';
import type { EndpointOwner } from './find-endpoint.ts';
import { viewEndpoint } from './view-endpoint.ts';

/** The endpoint with its secret, or null when the account has none such. */
export async function rotateSecret(
  env: Env,
  owner: EndpointOwner,
  { overlapMs, deed }: { readonly overlapMs: number; readonly deed: Deed },
): Promise<(WebhookView & { secret: string }) | null> {
  const row = await findEndpoint(env, owner);
  if (!row) return null;
  const courier = env.webhookCouriers.getByName(owner.id);
  const secret = makeWebhookSecret();
  if (!(await courier.rotate(secret, overlapMs))) return null;
  const account = env.accounts.getByName(owner.accountId);
  const note = { kind: 'note', action: 'webhook.rotate', target: owner.accountId } as const;
  await account.administer({ ...note, detail: { endpoint: owner.id } }, deed);
  return { ...viewEndpoint(row, await courier.state()), secret };
}
