/** What each refusal of a webhook is on HTTP: one exhaustive map per union, no default. */
import type { RepeatRefusal } from '../rpc/courier.ts';
import type { EndpointRefusal } from '../services/make-endpoint.ts';
import type { RedeliverRefusal } from '../services/redeliver-event.ts';
import { toFindWire, toWebhookWire } from './error.ts';
import type { Wire } from './wire.ts';

export const NO_ENDPOINT: Wire = {
  code: 'not_found',
  message: 'No such endpoint, or it is not yours.',
};

export function toEndpointWire(refusal: EndpointRefusal): Wire {
  switch (refusal.reason) {
    case 'endpoint_not_found':
      return NO_ENDPOINT;
    case 'idempotency_conflict':
      return { code: 'idempotency_conflict' };
    case 'endpoint_changed': {
      const message =
        'The endpoint that this Idempotency-Key made was deleted or rotated since; use another.';
      return { code: 'idempotency_conflict', message };
    }
    case 'webhook_refused':
      return toWebhookWire(refusal);
    case 'too_many_webhooks': {
      const { limit } = refusal;
      const message = `The account has ${limit} webhook endpoints, as many as its plan allows; delete one.`;
      return { code: 'too_many_webhooks', message, details: { limit } };
    }
  }
}

export function toRedeliverWire(refusal: RedeliverRefusal): Wire {
  switch (refusal.reason) {
    case 'job_not_found':
      return { code: 'not_found', message: 'The job of this delivery is no more.' };
    case 'history_unavailable':
      return toFindWire(refusal);
    case 'delivery_not_found':
    case 'webhook_disabled':
      return toRepeatWire(refusal);
  }
}

export function toRepeatWire(refusal: RepeatRefusal): Wire {
  switch (refusal.reason) {
    case 'delivery_not_found':
      return { code: 'not_found', message: 'No such endpoint or delivery, or it is not yours.' };
    case 'webhook_disabled':
      return { code: 'webhook_disabled' };
  }
}
