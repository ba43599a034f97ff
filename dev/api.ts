/**
 * The few calls that the launcher, the end-to-end tests and the soak script make to the Worker.
 * Answers are parsed by the callers with the contracts of #schema.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { JobView } from '#schema/api.ts';

const REQUEST_MS = 20_000;
const INSIST_MS = 5 * 60_000;
const RETRY_MS = 200;

export type Call = {
  method?: 'GET' | 'POST' | 'DELETE';
  bearer: string;
  body?: unknown;
  headers?: Record<string, string>;
};

export class CallError extends Error {
  readonly status: number;
  constructor(what: string, status: number, body: string) {
    super(`${what} answered ${status}: ${body.slice(0, 500)}`);
    this.status = status;
  }
}

/** One JSON request; throws CallError when the answer is not 2xx. */
export async function call(url: string, options: Call): Promise<unknown> {
  const { method = 'GET', bearer, body, headers } = options;
  const response = await fetch(url, {
    method,
    headers: {
      authorization: `Bearer ${bearer}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(REQUEST_MS),
  });
  const text = await response.text();
  if (!response.ok)
    throw new CallError(`${method} ${new URL(url).pathname}`, response.status, text);
  return JSON.parse(text);
}

/**
 * Repeats what fails while parts die and come back, for a bounded time; gives up at once on a
 * refusal that repeating cannot change.
 */
export async function insist<T>(act: () => Promise<T>, onRetry = () => {}): Promise<T> {
  const until = Date.now() + INSIST_MS;
  for (;;) {
    try {
      return await act();
    } catch (error) {
      const isFinal = error instanceof CallError && error.status < 500 && error.status !== 429;
      if (isFinal || Date.now() > until) throw error;
      onRetry();
      await sleep(RETRY_MS);
    }
  }
}

export function isTerminal(job: JobView): boolean {
  return ['completed', 'failed', 'cancelled'].includes(job.status);
}
