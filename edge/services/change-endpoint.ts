/** Changes a webhook endpoint: where it is, what it hears of, whether anything is sent to it. */
import type { UpdateWebhook, WebhookView } from '#schema/webhook.ts';
import { fail, ok } from '../core/result.ts';
import type { Result } from '../core/result.ts';
import type { Env } from '../env.ts';
import type { Deed, EndpointPutRefusal } from '../rpc/account.ts';
import { vetUrl } from '../io/outbound.ts';
import type { WebhookRefused } from './check-webhook.ts';
import { findEndpoint } from './find-endpoint.ts';
import type { EndpointOwner } from './find-endpoint.ts';
import { viewEndpoint } from './view-endpoint.ts';

/** The endpoint as it stands then, or why nothing is changed. */
export async function changeEndpoint(
  env: Env,
  owner: EndpointOwner,
  { change, deed }: { readonly change: UpdateWebhook; readonly deed: Deed },
): Promise<Result<WebhookView, WebhookRefused | EndpointPutRefusal>> {
  const known = await findEndpoint(env, owner);
  const courier = env.webhookCouriers.getByName(owner.id);
  const state = known && (await courier.state());
  if (!known || !state) return fail({ reason: 'endpoint_not_found' });
  const { events = known.events, description = state.description, enabled } = change;
  let { url } = known;
  if (change.url !== undefined) {
    const vetted = await vetUrl(env.outbound, change.url);
    if (!vetted.ok) return fail({ reason: 'webhook_refused', field: 'url', fault: vetted.error });
    url = vetted.value.href;
  }
  // The courier first, as where it is enabled: the account has the last word.
  await courier.update({ url, events, description });
  if (enabled !== undefined) await (enabled ? courier.enable() : courier.disable());
  const row = {
    ...known,
    url,
    events,
    disabled: enabled === undefined ? known.disabled : !enabled,
  };
  const fields = Object.keys(change);
  const kept = await env.accounts
    .getByName(owner.accountId)
    .putEndpoint(row, { ...deed, action: 'webhook.update', detail: { fields } });
  if (!kept.ok) return kept;
  return ok(viewEndpoint(row, await courier.state()));
}
