/** Sends to a webhook endpoint again after it was disabled. */
import type { WebhookView } from '#schema/webhook.ts';
import type { Env } from '../env.ts';
import type { Deed } from '../rpc/account.ts';
import { findEndpoint } from './find-endpoint.ts';
import type { EndpointOwner } from './find-endpoint.ts';
import { viewEndpoint } from './view-endpoint.ts';

/** The endpoint as it stands then, or null when the account has none such. */
export async function enableEndpoint(
  env: Env,
  owner: EndpointOwner,
  deed: Deed,
): Promise<WebhookView | null> {
  const row = await findEndpoint(env, owner);
  if (!row) return null;
  const courier = env.webhookCouriers.getByName(owner.id);
  // The courier first: else it might still tell the account that the endpoint is disabled.
  await courier.enable();
  const enabled = { ...row, disabled: false };
  const change = { ...deed, action: 'webhook.enable' } as const;
  const kept = await env.accounts.getByName(owner.accountId).putEndpoint(enabled, change);
  if (!kept.ok) return null;
  return viewEndpoint(enabled, await courier.state());
}
