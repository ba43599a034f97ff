/**
 * Webhook endpoints: what they may hear of, how their account lists them, and the bodies of
 * `/v1/webhooks`. What an endpoint is sent follows Standard Webhooks (standardwebhooks.com):
 * `{ type, timestamp, data }`, signed with the endpoint's secret, with an id that is the same
 * on every try. Which URLs may be called at all is decided by the edge, not here.
 */
import { z } from 'zod';
import { NAME_CHARS_MAX } from './limits.ts';
import { text } from './text.ts';
import {
  WEBHOOK_OVERLAP_S_MAX,
  WEBHOOK_SECRET_BYTES_MAX,
  WEBHOOK_SECRET_BYTES_MIN,
  WEBHOOK_URL_CHARS_MAX,
} from './webhook-limits.ts';

export const WEBHOOK_EVENTS = {
  'job.completed': 'A job has ended well.',
  'job.failed': 'A job has failed.',
  'job.cancelled': 'A job was cancelled.',
  'tokens.low': "A fifth of the day's tokens is left, or less.",
  'tokens.exhausted': "The day's tokens are used up.",
} as const;
export type WebhookEvent = keyof typeof WEBHOOK_EVENTS;

/** An endpoint as its account keeps it; secret, log and queue are its courier's. */
export interface WebhookEndpointRow {
  readonly id: string;
  readonly url: string;
  readonly events: readonly WebhookEvent[];
  readonly disabled: boolean;
  /** Epoch ms. */
  readonly createdAt: number;
}

const EVENTS = Object.keys(WEBHOOK_EVENTS) as [WebhookEvent, ...WebhookEvent[]];
export const WebhookEvent = z.enum(EVENTS).meta({ id: 'WebhookEvent' });

/** What a message can be about: an event, or a test that was asked for. */
export const WebhookType = z.enum([...EVENTS, 'webhook.test']).meta({ id: 'WebhookType' });
export type WebhookType = z.infer<typeof WebhookType>;

export const WebhookId = z
  .string()
  .regex(/^wh_[0-7][0-9a-hjkmnp-tv-z]{25}$/, 'an endpoint id looks like wh_01k…');
/** Of one message; also its `webhook-id` header. */
export const DeliveryId = z
  .string()
  .regex(/^msg_[A-Za-z0-9_-]{1,120}$/, 'a delivery id looks like msg_01k…');

const Url = z.string().trim().min(1).max(WEBHOOK_URL_CHARS_MAX).meta({
  description: 'A public `https` URL. Redirects are not followed.',
  example: 'https://example.com/hooks/tessera',
});

/** Base64 with `whsec_` before it; standardwebhooks.com asks for 24 to 64 bytes. */
const SECRET = /^whsec_(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** Bytes of a secret by its text. */
function bytesOf(secret: string): number {
  const digits = secret.slice('whsec_'.length).replace(/=+$/, '').length;
  return Math.floor((digits * 3) / 4);
}

const Secret = z
  .string()
  .regex(SECRET, 'a secret is whsec_ and base64')
  .refine(
    (secret) =>
      bytesOf(secret) >= WEBHOOK_SECRET_BYTES_MIN && bytesOf(secret) <= WEBHOOK_SECRET_BYTES_MAX,
    { message: `must have ${WEBHOOK_SECRET_BYTES_MIN} to ${WEBHOOK_SECRET_BYTES_MAX} bytes` },
  );

/** Who is told of one job's end. */
export const JobWebhook = z
  .strictObject({
    url: Url,
    secret: Secret.optional().meta({
      description:
        'Signs the message. Left out, `GET /v1/webhooks/default/secret` gives the one that does.',
    }),
  })
  .meta({
    id: 'JobWebhook',
    description: 'Told of the end of this job, beside the endpoints of the account.',
  });
export type JobWebhook = z.infer<typeof JobWebhook>;

export const CreateWebhook = z
  .strictObject({
    url: Url,
    events: z
      .array(WebhookEvent)
      .min(1)
      .max(EVENTS.length)
      .optional()
      .transform((events) => [...new Set(events ?? EVENTS)])
      .meta({ description: 'What to be told of; left out, everything.' }),
    description: text(NAME_CHARS_MAX).optional(),
  })
  .meta({ id: 'CreateWebhook' });
export type CreateWebhook = z.infer<typeof CreateWebhook>;

/** Body of `PATCH /v1/webhooks/{id}`: what is left out stays. */
export const UpdateWebhook = z
  .strictObject({
    url: Url.optional(),
    events: z
      .array(WebhookEvent)
      .min(1)
      .max(EVENTS.length)
      .transform((events) => [...new Set(events)])
      .optional(),
    description: text(NAME_CHARS_MAX).nullable().optional(),
    enabled: z.boolean().optional(),
  })
  .refine((change) => Object.values(change).some((value) => value !== undefined), {
    message: 'must change something: url, events, description or enabled',
  })
  .meta({ id: 'UpdateWebhook' });
export type UpdateWebhook = z.infer<typeof UpdateWebhook>;

export const RotateWebhook = z
  .strictObject({
    overlap_s: z.int().min(0).max(WEBHOOK_OVERLAP_S_MAX).optional().meta({
      description: 'So long both secrets sign; 24 hours when left out.',
    }),
  })
  .meta({ id: 'RotateWebhook' });

const Time = z.iso.datetime().meta({ example: '2026-11-22T16:00:00.000Z' });

/** Why nothing is sent to an endpoint. */
export const DisabledReason = z.enum(['gone', 'failing', 'owner']).meta({
  id: 'WebhookDisabledReason',
  description:
    '`gone`: it answered 410. `failing`: no delivery has arrived for a day or longer, and ' +
    'several were given up. `owner`: you disabled it.',
});
export type DisabledReason = z.infer<typeof DisabledReason>;

export const WebhookView = z
  .object({
    id: WebhookId,
    url: z.string(),
    events: z.array(WebhookEvent),
    description: z.string().nullable(),
    status: z.enum(['enabled', 'disabled']),
    disabled_at: Time.nullable(),
    disabled_reason: DisabledReason.nullable(),
    pending: z.int().meta({ description: 'Deliveries that are still to be made.' }),
    failing_since: Time.nullable().meta({
      description: 'The first failed try since the last delivery that arrived.',
    }),
    created_at: Time,
  })
  .meta({ id: 'Webhook' });
export type WebhookView = z.infer<typeof WebhookView>;
export const WebhookList = z.object({ data: z.array(WebhookView) }).meta({ id: 'WebhookList' });

/** An endpoint with its new secret, which is shown this once. */
export const WebhookWithSecret = WebhookView.extend({
  secret: z.string().meta({ example: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' }),
}).meta({ id: 'WebhookWithSecret' });
export const WebhookSecret = z
  .object({ secret: z.string().meta({ example: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' }) })
  .meta({ id: 'WebhookSecret' });

/** Why a try brought no answer that counts. */
export const TRY_FAULTS = {
  status: 'The answer was not a 2xx.',
  redirect: 'The answer was a redirect, which is not followed.',
  timeout: 'There was no answer in time.',
  connection: 'No connection could be made, or it broke.',
  unresolved: 'The name has no address.',
  refused_address: 'The URL or an address of its name is not public.',
  resolver_away: 'The name could not be looked up; does not count as a try.',
} as const;
export const TryFault = z
  .enum(Object.keys(TRY_FAULTS) as [keyof typeof TRY_FAULTS, ...(keyof typeof TRY_FAULTS)[]])
  .meta({ id: 'WebhookTryFault' });
export type TryFault = z.infer<typeof TryFault>;

export const DELIVERY_STATUSES = ['pending', 'delivered', 'failed', 'dropped'] as const;
export const DeliveryStatus = z.enum(DELIVERY_STATUSES).meta({
  id: 'WebhookDeliveryStatus',
  description: '`failed`: every try was in vain. `dropped`: see `drop_reason`.',
});
export type DeliveryStatus = z.infer<typeof DeliveryStatus>;

/** Why a delivery was given up before its tries were used up. */
export const DropReason = z.enum(['queue_full', 'endpoint_disabled']).meta({
  id: 'WebhookDropReason',
});
export type DropReason = z.infer<typeof DropReason>;

export const DeliveryView = z
  .object({
    id: DeliveryId,
    event: WebhookType,
    job_id: z.string().nullable(),
    status: DeliveryStatus,
    drop_reason: DropReason.nullable(),
    created_at: Time,
    ended_at: Time.nullable(),
    next_try_at: Time.nullable(),
    tries: z
      .array(
        z.object({
          at: Time,
          status_code: z.int().nullable(),
          error: TryFault.nullable(),
          duration_ms: z.int(),
        }),
      )
      .meta({ description: 'Oldest first; of many, the newest.' }),
    try_count: z.int(),
  })
  .meta({ id: 'WebhookDelivery' });
export type DeliveryView = z.infer<typeof DeliveryView>;
export const DeliveryList = z
  .object({ data: z.array(DeliveryView), next_cursor: z.string().nullable() })
  .meta({ id: 'WebhookDeliveryList' });
export type DeliveryList = z.infer<typeof DeliveryList>;
