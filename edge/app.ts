/**
 * The Hono app: what holds for every request (an id of our own, settings, limits of bodies,
 * security headers, one place for errors), then the routes, then the site.
 */
import { OpenAPIHono } from '@hono/zod-openapi';
import { bodyLimit } from 'hono/body-limit';
import { HTTPException } from 'hono/http-exception';
import type { Context } from 'hono';
import { JSON_BODY_BYTES_MAX } from '#schema/limits.ts';
import { parseEnv } from './env.ts';
import type { AppEnv } from './env.ts';
import { makeRequestId } from './io/id.ts';
import { logError } from './io/log.ts';
import { onInvalid } from './routes/access.ts';
import { adminAccountRoutes } from './routes/admin-accounts.ts';
import { adminJobRoutes } from './routes/admin-jobs.ts';
import { adminRoutes } from './routes/admin.ts';
import { agentUploadRoutes } from './routes/agent-upload.ts';
import { agentRoutes } from './routes/agent.ts';
import { botRoutes } from './routes/bots.ts';
import { catalogRoutes } from './routes/catalog.ts';
import { fileRoutes } from './routes/files.ts';
import { limitFlood } from './routes/flood.ts';
import { galleryRoutes } from './routes/gallery.ts';
import { hookRoutes } from './routes/hooks.ts';
import { jobBatchRoutes } from './routes/job-batch.ts';
import { jobDeleteRoutes } from './routes/job-delete.ts';
import { jobEventRoutes } from './routes/job-events.ts';
import { jobRoutes } from './routes/jobs.ts';
import { keyRoutes } from './routes/keys.ts';
import { mediaRoutes } from './routes/media.ts';
import { chatRoutes } from './routes/openai/chat.ts';
import { completionRoutes } from './routes/openai/completions.ts';
import { imageEditRoutes } from './routes/openai/image-edits.ts';
import { imageRoutes } from './routes/openai/images.ts';
import { modelRoutes } from './routes/openai/models.ts';
import { speechRoutes } from './routes/openai/speech.ts';
import { transcriptionRoutes } from './routes/openai/transcriptions.ts';
import { videoContentRoutes } from './routes/openai/video-content.ts';
import { videoRoutes } from './routes/openai/videos.ts';
import { serveOpenApi } from './routes/openapi.ts';
import { usageRoutes } from './routes/usage.ts';
import { webhookRoutes } from './routes/webhooks.ts';
import { Refused, refuse, toErrorAnswer, withUpgrade } from './routes/wire.ts';
import type { Wire } from './routes/wire.ts';

/** Paths that answer JSON even where there is nothing; all others are the site's. */
const API_PATH = /^\/(v1|agent|hooks|auth|media|admin|openapi\.json|health|metrics)(\/|$)/;
/** The only bodies that are not JSON alone: files, streamed, with limits of their own. */
const UPLOAD_PATH =
  /^\/(agent\/v1\/jobs\/|v1\/(files|images\/edits|audio\/trans(criptions|lations)|videos)$)/;

/** Of a path, in a message. */
const PATH_CHARS_SHOWN_MAX = 100;

export const app = new OpenAPIHono<AppEnv>({ defaultHook: onInvalid });

app.use(async (c, next) => {
  c.set('requestId', makeRequestId(Date.now()));
  const env = parseEnv(c.env);
  c.set('env', env);
  c.set('origin', env.publicUrl ?? new URL(c.req.url).origin);
  await next();
  if (API_PATH.test(c.req.path)) protect(c);
  c.res.headers.set('x-request-id', c.get('requestId'));
});

app.use('/v1/*', limitFlood());

/** For bodies of unknown length, which it reads to see. */
const limitStream = bodyLimit({ maxSize: JSON_BODY_BYTES_MAX, onError: refuseBody });
app.use(async (c, next) => {
  const { method, headers } = c.req.raw;
  if (method === 'GET' || method === 'HEAD' || UPLOAD_PATH.test(c.req.path)) return next();
  const declared = headers.get('content-length');
  if (declared === null || headers.has('transfer-encoding')) return limitStream(c, next);
  const isLarge = Number(declared) > JSON_BODY_BYTES_MAX;
  // Where there is nothing, that is what is wrong.
  if (isLarge && allowedMethods(c.req.path).length > 0) refuseBody();
  return next();
});

app.route('/', catalogRoutes);
app.route('/', jobRoutes);
app.route('/', jobBatchRoutes);
app.route('/', jobEventRoutes);
app.route('/', jobDeleteRoutes);
app.route('/', keyRoutes);
app.route('/', usageRoutes);
app.route('/', mediaRoutes);
app.route('/', galleryRoutes);
app.route('/', fileRoutes);
app.route('/', chatRoutes);
app.route('/', completionRoutes);
app.route('/', imageRoutes);
app.route('/', imageEditRoutes);
app.route('/', speechRoutes);
app.route('/', transcriptionRoutes);
app.route('/', videoRoutes);
app.route('/', videoContentRoutes);
app.route('/', modelRoutes);
app.route('/', agentRoutes);
app.route('/', agentUploadRoutes);
app.route('/', adminRoutes);
app.route('/', botRoutes);
app.route('/', hookRoutes);
app.route('/', adminAccountRoutes);
app.route('/', adminJobRoutes);
app.route('/', webhookRoutes);
serveOpenApi(app);

app.notFound(async (c) => {
  if (!API_PATH.test(c.req.path)) {
    const { assets } = c.get('env');
    if (assets) {
      const page = await assets.fetch(c.req.raw);
      // A copy, since the headers of a fetched answer cannot be changed.
      return new Response(page.body, page);
    }
  }
  const allow = allowedMethods(c.req.path);
  if (allow.length === 0) return render(c, toNowhere(c));
  return render(c, { code: 'method_not_allowed', headers: { allow: allow.join(', ') } });
});

app.onError((error, c) => {
  if (error instanceof Refused) return render(c, error.wire);
  if (error instanceof HTTPException && error.status === 415) {
    return render(c, { code: 'unsupported_media_type' });
  }
  if (error instanceof HTTPException && error.status === 400) {
    const isForm = c.req.header('content-type')?.startsWith('multipart/') ?? false;
    const message = 'The body is not a form, or is cut short; send multipart/form-data.';
    return render(c, isForm ? { code: 'invalid_request', message } : { code: 'invalid_json' });
  }
  const request_id = c.get('requestId');
  logError('request.fail', error, { request_id, method: c.req.method, path: c.req.path });
  return render(
    c,
    isAway(error) ? { code: 'unavailable', retryAfterMs: 1000 } : { code: 'internal' },
  );
});

/** For a path that is none, as of a part of another's API that is not here. */
function toNowhere(c: Context<AppEnv>): Wire {
  const path = c.req.path.slice(0, PATH_CHARS_SHOWN_MAX);
  const message = `There is no ${path} here; ${c.get('origin')}/docs lists what there is.`;
  return { code: 'not_found', message };
}

function render(c: Context<AppEnv>, wire: Wire): Response {
  const requestId = c.get('requestId');
  const { body, status, headers } = toErrorAnswer(withUpgrade(wire, c.get('origin')), requestId);
  return c.json(body, status, { ...headers, 'x-request-id': requestId });
}

/** A Durable Object that is overloaded or was restarted: the same request may work again. */
function isAway(error: Error): boolean {
  const { retryable, overloaded } = error as { retryable?: unknown; overloaded?: unknown };
  return retryable === true || overloaded === true;
}

/** Written to the answer itself: each `c.header` after a handler would copy the whole answer. */
function protect(c: Context<AppEnv>): void {
  const { headers } = c.res;
  headers.set('x-content-type-options', 'nosniff');
  headers.set('referrer-policy', 'no-referrer');
  headers.set('x-frame-options', 'DENY');
  if (!headers.has('content-security-policy')) {
    headers.set('content-security-policy', "default-src 'none'; frame-ancestors 'none'");
  }
  if (!headers.has('cache-control')) headers.set('cache-control', 'no-store');
  if (c.get('env').environment === 'production') {
    headers.set('strict-transport-security', 'max-age=31536000; includeSubDomains');
  }
}

function refuseBody(): never {
  refuse({ code: 'body_too_large', details: { limit: JSON_BODY_BYTES_MAX } });
}

let patterns: { method: string; path: RegExp }[] | null = null;

/** The methods that a path knows, for `allow`. */
function allowedMethods(path: string): string[] {
  patterns ??= app.routes
    .filter(({ method }) => method !== 'ALL')
    .map(({ method, path: pattern }) => ({ method, path: toPattern(pattern) }));
  const found = patterns.filter((route) => route.path.test(path)).map(({ method }) => method);
  const methods = new Set(found.includes('GET') ? [...found, 'HEAD'] : found);
  return [...methods].toSorted();
}

/** `/v1/jobs/:id` and `/media/:key{.+}` as regular expressions. */
function toPattern(path: string): RegExp {
  const source = path
    .split('/')
    .map((part) => {
      if (!part.startsWith(':')) return part.replaceAll('.', String.raw`\.`);
      return part.includes('{') ? '.+' : '[^/]+';
    })
    .join('/');
  return new RegExp(`^${source}$`);
}
