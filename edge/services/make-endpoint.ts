/** Makes a webhook endpoint: its courier knows it first, so that no news of it gets lost. */
import { PLANS } from '#schema/plan.ts';
import type { PlanId } from '#schema/plan.ts';
import type { CreateWebhook, WebhookView } from '#schema/webhook.ts';
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';
import type { Env } from '../env.ts';
import { makeWebhookId } from '../io/id.ts';
import { vetUrl } from '../io/outbound.ts';
import { makeWebhookSecret } from '../io/signature.ts';
import type { WebhookRefused } from './check-webhook.ts';
import { viewEndpoint } from './view-endpoint.ts';

export type EndpointRefusal =
  | WebhookRefused
  | { readonly reason: 'too_many_webhooks'; readonly limit: number };

/** The endpoint with its secret, which nobody is shown again, or why there is none. */
export async function makeEndpoint(
  env: Env,
  owner: { readonly accountId: string; readonly plan: PlanId },
  { request, now }: { readonly request: CreateWebhook; readonly now: number },
): Promise<Result<WebhookView & { secret: string }, EndpointRefusal>> {
  const vetted = await vetUrl(env.outbound, request.url);
  if (!vetted.ok) return fail({ reason: 'webhook_refused', field: 'url', fault: vetted.error });
  const id = makeWebhookId(now);
  const { events } = request;
  const row = { id, url: vetted.value.href, events, disabled: false, createdAt: now };
  const description = request.description ?? null;
  const secret = makeWebhookSecret();
  const { accountId, plan } = owner;
  const courier = env.webhookCouriers.getByName(id);
  await courier.open({ ...row, accountId, secret, description });
  if (!(await env.accounts.getByName(accountId).putEndpoint(row))) {
    await courier.close();
    return fail({ reason: 'too_many_webhooks', limit: PLANS[plan].webhooksMax });
  }
  return ok({ ...viewEndpoint(row, await courier.state()), secret });
}
