/**
 * Makes a delivery again, under its old id. The log keeps nothing of a job that was told of, so
 * the job is asked for anew: of one that was deleted, what is left of it is sent.
 */
import { isTerminal } from '#schema/job.ts';
import type { JobRecord } from '#schema/record.ts';
import type { DeliveryView } from '#schema/webhook.ts';
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';
import type { Env } from '../env.ts';
import type { DeliveryState, RepeatRefusal } from '../rpc/courier.ts';
import { findCourier } from './find-endpoint.ts';
import type { EndpointOwner } from './find-endpoint.ts';
import { findJob } from './find-job.ts';
import type { FindRefusal } from './find-job.ts';
import { viewDelivery } from './view-endpoint.ts';

export type RedeliverRefusal = RepeatRefusal | FindRefusal;

/** Sends it as soon as possible; one that waits for its next try does not wait. */
export async function redeliverEvent(
  env: Env,
  owner: EndpointOwner,
  deliveryId: string,
): Promise<Result<DeliveryView, RedeliverRefusal>> {
  const courier = await findCourier(env, owner);
  const delivery = await courier?.delivery(deliveryId);
  if (!courier || !delivery) return fail({ reason: 'delivery_not_found' });
  const record = await findTold(env, owner.accountId, delivery);
  if (!record.ok) return record;
  const repeated = await courier.redeliver(deliveryId, record.value);
  return repeated.ok ? ok(viewDelivery(repeated.value)) : repeated;
}

/** The job that an ended delivery told of; null when it tells of none, or still has it. */
async function findTold(
  env: Env,
  accountId: string,
  { jobId, status }: DeliveryState,
): Promise<Result<JobRecord | null, FindRefusal>> {
  if (jobId === null || status === 'pending') return ok(null);
  const found = await findJob(env, { jobId, accountId });
  if (!found.ok) return found;
  const { record } = found.value;
  // The history may be a moment behind.
  return isTerminal(record.status) ? ok(record) : fail({ reason: 'history_unavailable' });
}
