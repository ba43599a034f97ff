/** Lists an account's webhook endpoints, each as its own courier says it stands. */
import type { WebhookView } from '#schema/webhook.ts';
import type { Env } from '../env.ts';
import { inLanes } from '../io/lane.ts';
import { viewEndpoint } from './view-endpoint.ts';

/** All of them, the oldest first. */
export async function listEndpoints(env: Env, accountId: string): Promise<WebhookView[]> {
  const rows = await env.accounts.getByName(accountId).endpoints();
  const sorted = rows.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  return inLanes(sorted, async (row) =>
    viewEndpoint(row, await env.webhookCouriers.getByName(row.id).state()),
  );
}
