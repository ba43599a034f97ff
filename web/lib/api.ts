/** The calls that this page makes, by the typed client; live events and health beside them. */
import { HealthView } from '#schema/api.ts';
import type { AccountView, CancelView, JobView, ModelList, QuoteView } from '#schema/api.ts';
import type { GalleryPage } from '#schema/gallery.ts';
import type { JobRequest } from '#schema/job.ts';
import { call, readJson, send, toRefusal, toUnreadable } from './client.ts';
import type { Answer } from './client.ts';

/** Two rows of the gallery. */
const GALLERY_MAX = 8;

/** Liveness; a degraded service answers with the same body, whatever the status. */
export async function readHealth(signal?: AbortSignal): Promise<Answer<HealthView>> {
  const sent = await send('/health', { signal });
  if (!sent.ok) return sent;
  const health = HealthView.safeParse(await readJson(sent.value));
  return health.success ? { ok: true, value: health.data } : toUnreadable(sent.value);
}

export function readModels(key: string | null, signal?: AbortSignal): Promise<Answer<ModelList>> {
  return call('listModels', {}, { key, signal });
}

/** The newest pictures that users show to everybody. */
export function readGallery(signal?: AbortSignal): Promise<Answer<GalleryPage>> {
  return call('listGallery', { query: { type: 'image', limit: GALLERY_MAX } }, { signal });
}

export function readAccount(key: string, signal?: AbortSignal): Promise<Answer<AccountView>> {
  return call('readAccount', {}, { key, signal });
}

/** Price, estimate and refusal of a job; nothing is submitted. */
export function quoteJob(
  key: string,
  request: JobRequest,
  signal?: AbortSignal,
): Promise<Answer<QuoteView>> {
  return call('quoteJob', { body: request }, { key, signal });
}

/** Submits; the same `idempotencyKey` and request give the same job, however often it is sent. */
export function submitJob(
  key: string,
  submission: { request: JobRequest; idempotencyKey: string },
  signal?: AbortSignal,
): Promise<Answer<JobView>> {
  const headers = { 'idempotency-key': submission.idempotencyKey };
  return call('submitJob', { body: submission.request }, { key, headers, signal });
}

export function readJob(key: string, id: string, signal?: AbortSignal): Promise<Answer<JobView>> {
  return call('readJob', { path: { id } }, { key, signal });
}

export function cancelJob(
  key: string,
  id: string,
  signal?: AbortSignal,
): Promise<Answer<CancelView>> {
  return call('cancelJob', { path: { id } }, { key, signal });
}

/** Opens the live events of a job; `EventSource` cannot send the key, so `fetch` does. */
export async function openEvents(
  key: string,
  from: { jobId: string; lastEventId: string | null },
  signal: AbortSignal,
): Promise<Answer<ReadableStream<Uint8Array>>> {
  const headers: Record<string, string> = { accept: 'text/event-stream' };
  if (from.lastEventId !== null) headers['last-event-id'] = from.lastEventId;
  const sent = await send(`/v1/jobs/${from.jobId}/events`, { key, headers, signal });
  if (!sent.ok) return sent;
  const response = sent.value;
  if (!response.ok) return toRefusal(response);
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream');
  if (!isStream || !response.body) return toUnreadable(response);
  return { ok: true, value: response.body };
}
