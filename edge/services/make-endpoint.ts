/** Makes a webhook endpoint: its courier knows it first, so that no news of it gets lost. */
import type { CreateWebhook, WebhookView } from '#schema/webhook.ts';
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';
import type { Env } from '../env.ts';
import type { Deed, EndpointPutRefusal } from '../rpc/account.ts';
import { makeWebhookId } from '../io/id.ts';
import { vetUrl } from '../io/outbound.ts';
import { deriveEndpointSecret, makeWebhookSecret } from '../io/signature.ts';
import type { WebhookRefused } from './check-webhook.ts';
import { findEndpoint } from './find-endpoint.ts';
import type { EndpointOwner } from './find-endpoint.ts';
import { hashRequest } from './openai/hash-request.ts';
import { viewEndpoint } from './view-endpoint.ts';

export type EndpointRefusal =
  | WebhookRefused
  | EndpointPutRefusal
  /** The request was made before; what it made was deleted or has another secret. */
  | { readonly reason: 'endpoint_changed' };

/** A request for an endpoint; `idempotencyKey` is null when it does not come again. */
export interface EndpointWish {
  readonly request: CreateWebhook;
  readonly idempotencyKey: string | null;
  readonly deed: Deed;
  readonly now: number;
}

export interface MadeEndpoint {
  readonly endpoint: WebhookView & { readonly secret: string };
  /** An earlier request with the same idempotency key made it. */
  readonly replayed: boolean;
}

/**
 * The endpoint with its secret, which nobody is shown again, or why there is none. For a request
 * that may come again the secret is made of its idempotency key, so that it can be told again.
 */
export async function makeEndpoint(
  env: Env,
  accountId: string,
  { request, idempotencyKey, deed, now }: EndpointWish,
): Promise<Result<MadeEndpoint, EndpointRefusal>> {
  const vetted = await vetUrl(env.outbound, request.url);
  if (!vetted.ok) return fail({ reason: 'webhook_refused', field: 'url', fault: vetted.error });
  const id = makeWebhookId(now);
  const { events } = request;
  const row = { id, url: vetted.value.href, events, disabled: false, createdAt: now };
  const description = request.description ?? null;
  const secret = await secretOf(env, id, idempotencyKey);
  const courier = env.webhookCouriers.getByName(id);
  await courier.open({ ...row, accountId, secret, description });
  const repeat =
    idempotencyKey === null
      ? {}
      : { repeat: { idempotencyKey, bodyHash: await hashRequest(request) } };
  const change = { ...deed, action: 'webhook.create', ...repeat } as const;
  const kept = await env.accounts.getByName(accountId).putEndpoint(row, change);
  if (!kept.ok || kept.value !== id) await courier.close();
  if (!kept.ok) return kept;
  if (kept.value !== id) return recallEndpoint(env, { accountId, id: kept.value }, idempotencyKey);
  const endpoint = { ...viewEndpoint(row, await courier.state()), secret };
  return ok({ endpoint, replayed: false });
}

/** The endpoint that the same request made before, if its secret can be told again. */
async function recallEndpoint(
  env: Env,
  owner: EndpointOwner,
  idempotencyKey: string | null,
): Promise<Result<MadeEndpoint, EndpointRefusal>> {
  const secret = await secretOf(env, owner.id, idempotencyKey);
  const courier = env.webhookCouriers.getByName(owner.id);
  const row = await findEndpoint(env, owner);
  if (!row || !(await courier.hasSecret(secret))) return fail({ reason: 'endpoint_changed' });
  const endpoint = { ...viewEndpoint(row, await courier.state()), secret };
  return ok({ endpoint, replayed: true });
}

async function secretOf(env: Env, id: string, idempotencyKey: string | null): Promise<string> {
  return idempotencyKey === null
    ? makeWebhookSecret()
    : deriveEndpointSecret(env.signingKey, id, idempotencyKey);
}
