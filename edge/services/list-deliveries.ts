/** Lists the deliveries of a webhook endpoint, newest first. */
import type { DeliveryView } from '#schema/webhook.ts';
import type { Env } from '../env.ts';
import { findCourier } from './find-endpoint.ts';
import type { EndpointOwner } from './find-endpoint.ts';
import { viewDelivery } from './view-endpoint.ts';

export interface DeliveryPage {
  readonly data: DeliveryView[];
  readonly nextCursor: string | null;
}

/** One page, or null when the account has no such endpoint. `cursor` is of the page before. */
export async function listDeliveries(
  env: Env,
  owner: EndpointOwner,
  { cursor, limit }: { readonly cursor: string | undefined; readonly limit: number },
): Promise<DeliveryPage | null> {
  const courier = await findCourier(env, owner);
  if (!courier) return null;
  const before = cursor === undefined ? null : Number(cursor);
  // One more tells whether there is another page.
  const found = await courier.deliveries({ before, limit: limit + 1 });
  const shown = found.slice(0, limit);
  const nextCursor = found.length > limit ? String(shown.at(-1)!.number) : null;
  return { data: shown.map(viewDelivery), nextCursor };
}
