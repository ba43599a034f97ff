/**
 * The public API as this page uses it: one function per call, each answer parsed by its schema.
 * Never throws but on abort: what goes wrong comes back as a `Problem`.
 * The key is an argument and is kept nowhere here.
 */
import './zod-without-eval.ts';
import type { z } from 'zod';
import { AccountView, CancelView, HealthView, JobView, ModelList, QuoteView } from '#schema/api.ts';
import { ErrorBody } from '#schema/error.ts';
import type { JobRequest } from '#schema/job.ts';
import type { Problem } from './problem.ts';

export type Answer<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problem: Problem };

interface Call {
  readonly method?: 'GET' | 'POST';
  readonly key?: string | null;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  readonly signal?: AbortSignal;
}

/** Liveness; a degraded service answers with the same body, whatever the status. */
export async function readHealth(signal?: AbortSignal): Promise<Answer<HealthView>> {
  const sent = await send('/health', { signal });
  if (!sent.ok) return sent;
  const health = HealthView.safeParse(await readJson(sent.value));
  return health.success ? { ok: true, value: health.data } : unreadable(sent.value);
}

export function readModels(key: string | null, signal?: AbortSignal): Promise<Answer<ModelList>> {
  return ask(ModelList, '/v1/models', { key, signal });
}

export function readAccount(key: string, signal?: AbortSignal): Promise<Answer<AccountView>> {
  return ask(AccountView, '/v1/account', { key, signal });
}

/** Price, estimate and refusal of a job; nothing is submitted. */
export function quoteJob(
  key: string,
  request: JobRequest,
  signal?: AbortSignal,
): Promise<Answer<QuoteView>> {
  return ask(QuoteView, '/v1/jobs?dry_run=1', { method: 'POST', key, body: request, signal });
}

/** Submits; the same `idempotencyKey` and request give the same job, however often it is sent. */
export function submitJob(
  key: string,
  submission: { request: JobRequest; idempotencyKey: string },
  signal?: AbortSignal,
): Promise<Answer<JobView>> {
  return ask(JobView, '/v1/jobs', {
    method: 'POST',
    key,
    body: submission.request,
    headers: { 'idempotency-key': submission.idempotencyKey },
    signal,
  });
}

export function readJob(key: string, id: string, signal?: AbortSignal): Promise<Answer<JobView>> {
  return ask(JobView, `/v1/jobs/${id}`, { key, signal });
}

export function cancelJob(
  key: string,
  id: string,
  signal?: AbortSignal,
): Promise<Answer<CancelView>> {
  return ask(CancelView, `/v1/jobs/${id}/cancel`, { method: 'POST', key, signal });
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
  if (!response.ok) return refusal(response);
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream');
  if (!isStream || !response.body) return unreadable(response);
  return { ok: true, value: response.body };
}

async function ask<T>(schema: z.ZodType<T>, path: string, call: Call): Promise<Answer<T>> {
  const sent = await send(path, call);
  if (!sent.ok) return sent;
  if (!sent.value.ok) return refusal(sent.value);
  const parsed = schema.safeParse(await readJson(sent.value));
  return parsed.success ? { ok: true, value: parsed.data } : unreadable(sent.value);
}

async function send(path: string, call: Call): Promise<Answer<Response>> {
  const headers: Record<string, string> = { accept: 'application/json', ...call.headers };
  if (call.key) headers.authorization = `Bearer ${call.key}`;
  if (call.body !== undefined) headers['content-type'] = 'application/json';
  try {
    const response = await fetch(path, {
      method: call.method ?? 'GET',
      headers,
      body: call.body === undefined ? null : JSON.stringify(call.body),
      signal: call.signal ?? null,
      credentials: 'omit',
      cache: 'no-store',
    });
    return { ok: true, value: response };
  } catch (error) {
    if (call.signal?.aborted) throw error;
    return { ok: false, problem: { reason: 'unreachable' } };
  }
}

async function refusal(response: Response): Promise<{ ok: false; problem: Problem }> {
  const body = ErrorBody.safeParse(await readJson(response));
  if (!body.success) return unreadable(response);
  const { code, message, request_id: requestId } = body.data.error;
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  const retryAfterMs = Number.isFinite(seconds) ? Math.max(0, seconds * 1000) : null;
  const { status } = response;
  return {
    ok: false,
    problem: { reason: 'refused', code, message, status, requestId, retryAfterMs },
  };
}

function unreadable(response: Response): { ok: false; problem: Problem } {
  return { ok: false, problem: { reason: 'unreadable', status: response.status } };
}

/** The body as JSON, or null: a broken or cut body is the schema's to refuse. */
async function readJson(response: Response): Promise<unknown> {
  return response.json().catch(() => null);
}
