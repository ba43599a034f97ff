/** Shows webhook endpoints and their deliveries as the API gives them. */
import type { DeliveryView, WebhookEndpointRow, WebhookView } from '#schema/webhook.ts';
import type { DeliveryState, EndpointState } from '../rpc/courier.ts';

/** An endpoint's view; without a state for one that has just been made. */
export function viewEndpoint(row: WebhookEndpointRow, state: EndpointState | null): WebhookView {
  return {
    id: row.id,
    url: row.url,
    events: [...row.events],
    description: state?.description ?? null,
    status: row.disabled || (state?.disabledAt ?? null) !== null ? 'disabled' : 'enabled',
    disabled_at: toIsoOrNull(state?.disabledAt ?? null),
    disabled_reason: state?.disabledReason ?? null,
    pending: state?.pending ?? 0,
    failing_since: toIsoOrNull(state?.failingSince ?? null),
    created_at: toIso(row.createdAt),
  };
}

/** A delivery's view. */
export function viewDelivery(state: DeliveryState): DeliveryView {
  return {
    id: state.id,
    event: state.type,
    job_id: state.jobId,
    status: state.status,
    drop_reason: state.dropReason,
    created_at: toIso(state.createdAt),
    ended_at: toIsoOrNull(state.endedAt),
    next_try_at: toIsoOrNull(state.nextTryAt),
    tries: state.tries.map(({ at, statusCode, fault, durationMs }) => ({
      at: toIso(at),
      status_code: statusCode,
      error: fault,
      duration_ms: durationMs,
    })),
    try_count: state.tryCount,
  };
}

function toIso(ms: number): string {
  return new Date(ms).toISOString();
}

function toIsoOrNull(ms: number | null): string | null {
  return ms === null ? null : toIso(ms);
}
