/** Gives a webhook endpoint a new secret; for a while the old one signs too. */
import type { WebhookView } from '#schema/webhook.ts';
import type { Env } from '../env.ts';
import { makeWebhookSecret } from '../io/signature.ts';
import { findEndpoint } from './find-endpoint.ts';
import type { EndpointOwner } from './find-endpoint.ts';
import { viewEndpoint } from './view-endpoint.ts';

/** The endpoint with its secret, or null when the account has none such. */
export async function rotateSecret(
  env: Env,
  owner: EndpointOwner,
  overlapMs: number,
): Promise<(WebhookView & { secret: string }) | null> {
  const row = await findEndpoint(env, owner);
  if (!row) return null;
  const courier = env.webhookCouriers.getByName(owner.id);
  const secret = makeWebhookSecret();
  if (!(await courier.rotate(secret, overlapMs))) return null;
  return { ...viewEndpoint(row, await courier.state()), secret };
}
