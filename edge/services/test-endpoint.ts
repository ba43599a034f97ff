/** Sends a message that says nothing to a webhook endpoint, to see whether it arrives. */
import type { DeliveryView } from '#schema/webhook.ts';
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';
import type { Env } from '../env.ts';
import type { RepeatRefusal } from '../rpc/courier.ts';
import { findEndpoint } from './find-endpoint.ts';
import type { EndpointOwner } from './find-endpoint.ts';
import { viewDelivery } from './view-endpoint.ts';

/** The delivery, which is made as soon as possible. */
export async function testEndpoint(
  env: Env,
  owner: EndpointOwner,
): Promise<Result<DeliveryView, RepeatRefusal>> {
  if (!(await findEndpoint(env, owner))) return fail({ reason: 'delivery_not_found' });
  const sent = await env.webhookCouriers.getByName(owner.id).sendTest();
  return sent.ok ? ok(viewDelivery(sent.value)) : sent;
}
