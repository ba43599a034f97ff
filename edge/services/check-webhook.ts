/** Who is told of a job's end by the URL that came with it, if that URL may be called. */
import type { WebhookNotice } from '#schema/record.ts';
import type { JobWebhook } from '#schema/webhook.ts';
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';
import type { Env } from '../env.ts';
import { checkUrl } from '../io/address.ts';
import type { UrlFault } from '../io/address.ts';

/** A URL of a user that is not called. */
export interface WebhookRefused {
  readonly reason: 'webhook_refused';
  readonly field: string;
  readonly fault: UrlFault;
}

/**
 * The notice for a job's own URL, none without one. Looks at the URL alone: what its name stands
 * for is looked up before each call.
 */
export function checkWebhook(
  env: Env,
  accountId: string,
  webhook: JobWebhook | undefined,
): Result<readonly WebhookNotice[], WebhookRefused> {
  if (!webhook) return ok([]);
  const checked = checkUrl(webhook.url, env.outbound);
  if (!checked.ok) {
    return fail({ reason: 'webhook_refused', field: 'webhook.url', fault: checked.error });
  }
  const url = checked.value.href;
  return ok([
    { kind: 'webhook', courier: `job:${accountId}`, url, secret: webhook.secret ?? null },
  ]);
}
