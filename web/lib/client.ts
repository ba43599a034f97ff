/**
 * A typed client of the API: what a call takes and gives follows from its row of ROUTES, and each
 * answer is parsed by its schema. Never throws but on abort: what goes wrong comes back as a
 * `Problem`. The key is an argument and is kept nowhere here.
 */
import './zod-without-eval.ts';
import type { z } from 'zod';
import { ErrorBody } from '#schema/error.ts';
import { ROUTES } from '#schema/route.ts';
import type { Route, Routes } from '#schema/route.ts';
import type { Problem } from './problem.ts';

export type Answer<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problem: Problem };

/** `id` of `/v1/jobs/{id}/cancel`. */
type PathNames<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? Name | PathNames<Rest>
  : never;

type Given<One extends Route> = ([PathNames<One['path']>] extends [never]
  ? { readonly path?: undefined }
  : { readonly path: Readonly<Record<PathNames<One['path']>, string>> }) &
  (One extends { readonly body: infer Body extends z.ZodType }
    ? { readonly body: z.input<Body> }
    : { readonly body?: undefined }) &
  (One extends { readonly query: infer Query extends z.ZodType }
    ? { readonly query?: Partial<Record<keyof z.output<Query>, string | number>> }
    : { readonly query?: undefined });

type Input<Name extends keyof Routes> = Given<Routes[Name]>;
type Value<Name extends keyof Routes> = Routes[Name]['answer'] extends z.ZodType
  ? z.output<Routes[Name]['answer']>
  : null;

export interface SendOptions {
  /** Origin of the API; left out, the page's own. */
  readonly baseUrl?: string;
  readonly key?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

/** Makes the call `name`. */
export async function call<Name extends keyof Routes>(
  name: Name,
  given: Input<Name>,
  options: SendOptions = {},
): Promise<Answer<Value<Name>>> {
  const { method, path, answer }: Route = ROUTES[name];
  const {
    path: parts,
    query,
    body,
  } = given as {
    path?: Record<string, string>;
    query?: Record<string, string | number | undefined>;
    body?: unknown;
  };
  const sent = await send(fillPath(path, parts, query), { ...options, method, body });
  if (!sent.ok) return sent;
  if (!sent.value.ok) return toRefusal(sent.value);
  if (answer === null) return { ok: true, value: null as Value<Name> };
  const parsed = answer.safeParse(await readJson(sent.value));
  return parsed.success
    ? { ok: true, value: parsed.data as Value<Name> }
    : toUnreadable(sent.value);
}

function fillPath(
  path: string,
  parts: Readonly<Record<string, string>> = {},
  query: Readonly<Record<string, string | number | undefined>> = {},
): string {
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(parts[name] ?? ''),
  );
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)]],
  );
  if (pairs.length === 0) return filled;
  return `${filled}${filled.includes('?') ? '&' : '?'}${new URLSearchParams(pairs).toString()}`;
}

/** One request; the answer is whatever came, refusals among it. */
export async function send(
  path: string,
  {
    method = 'GET',
    baseUrl = '',
    key,
    headers,
    body,
    signal,
  }: SendOptions & { method?: string; body?: unknown },
): Promise<Answer<Response>> {
  const all: Record<string, string> = { accept: 'application/json', ...headers };
  if (key) all['authorization'] = `Bearer ${key}`;
  if (body !== undefined) all['content-type'] = 'application/json';
  try {
    const response = await fetch(baseUrl + path, {
      method,
      headers: all,
      body: body === undefined ? null : JSON.stringify(body),
      signal: signal ?? null,
      credentials: 'omit',
      cache: 'no-store',
    });
    return { ok: true, value: response };
  } catch (error) {
    if (signal?.aborted) throw error;
    return { ok: false, problem: { reason: 'unreachable' } };
  }
}

/** The problem that an error answer tells of. */
export async function toRefusal(response: Response): Promise<{ ok: false; problem: Problem }> {
  const body = ErrorBody.safeParse(await readJson(response));
  if (!body.success) return toUnreadable(response);
  const { code, message, request_id: requestId } = body.data.error;
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  const retryAfterMs = Number.isFinite(seconds) ? Math.max(0, seconds * 1000) : null;
  const { status } = response;
  return {
    ok: false,
    problem: { reason: 'refused', code, message, status, requestId, retryAfterMs },
  };
}

/** The problem of an answer that is not as described. */
export function toUnreadable(response: Response): { ok: false; problem: Problem } {
  return { ok: false, problem: { reason: 'unreadable', status: response.status } };
}

/** The body as JSON, or null: a broken or cut body is the schema's to refuse. */
export async function readJson(response: Response): Promise<unknown> {
  return response.json().catch(() => null);
}
