/**
 * The list of an account's webhook endpoints: which there are and what they want to hear of. What
 * is delivered, how and with which secret is the affair of each endpoint's own courier. Each
 * change has an audit entry.
 */
import { PLANS } from '#schema/plan.ts';
import type { WebhookEndpointRow } from '#schema/webhook.ts';
import { fail, ok } from '../core/result.ts';
import type { Result } from '../core/result.ts';
import type { Deed, EndpointChange, EndpointPutRefusal, Repeat } from '../rpc/account.ts';
import type { Books } from './books.ts';
import { auditRow } from './mirror.ts';

/** Keeps or replaces an endpoint; the id of the one that the same request made before. */
export function putEndpoint(
  books: Books,
  endpoint: WebhookEndpointRow,
  { repeat, ...change }: EndpointChange,
): Result<string, EndpointPutRefusal> {
  const { endpoints, account } = books;
  const now = Date.now();
  const before = repeat && books.store.findIdempotent(markOf(repeat), now);
  if (before) {
    return before.bodyHash === repeat.bodyHash
      ? ok(before.jobId)
      : fail({ reason: 'idempotency_conflict' });
  }
  const isNew = change.action === 'webhook.create';
  if (!isNew && !endpoints.has(endpoint.id)) return fail({ reason: 'endpoint_not_found' });
  const limit = PLANS[account.plan].webhooksMax;
  if (isNew && endpoints.size >= limit) return fail({ reason: 'too_many_webhooks', limit });
  write(books, { ...change, id: endpoint.id, now }, () => {
    books.store.saveEndpoint(endpoint);
    if (!repeat) return;
    const made = { bodyHash: repeat.bodyHash, jobId: endpoint.id };
    books.store.saveIdempotent(markOf(repeat), made, now);
  });
  endpoints.set(endpoint.id, endpoint);
  return ok(endpoint.id);
}

/** False when there is no such endpoint. */
export function deleteEndpoint(books: Books, id: string, deed: Deed): boolean {
  if (!books.endpoints.has(id)) return false;
  const cause = { ...deed, action: 'webhook.delete', id, now: Date.now() };
  write(books, cause, () => books.store.deleteEndpoint(id));
  return books.endpoints.delete(id);
}

/** No more is sent to it, by the word of its courier. False when there is no such endpoint. */
export function disableEndpoint(books: Books, id: string): boolean {
  const known = books.endpoints.get(id);
  if (!known) return false;
  if (known.disabled) return true;
  const endpoint = { ...known, disabled: true };
  const now = Date.now();
  const deed = { actor: books.account.id, requestId: `${id}:${now}`, reason: null };
  const cause = { ...deed, action: 'webhook.disable', id, now };
  write(books, cause, () => books.store.saveEndpoint(endpoint));
  books.endpoints.set(id, endpoint);
  return true;
}

/** No idempotency key of a job, a grant or an API key begins so. */
function markOf({ idempotencyKey }: Repeat): string {
  return ` webhook ${idempotencyKey}`;
}

interface Cause extends Deed {
  readonly id: string;
  readonly action: string;
  readonly detail?: Readonly<Record<string, unknown>>;
  readonly now: number;
}

/** Does the work and audits it, both or neither. */
function write(books: Books, { id, detail, ...cause }: Cause, work: () => void): void {
  books.store.transaction(() => {
    work();
    const entry = { ...cause, detail: { endpoint: id, ...detail } };
    books.mirror.add([auditRow(books.account.id, entry)]);
  });
  books.flush();
}
