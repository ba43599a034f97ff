/**
 * Opens a result at a signed URL (RFC 9110: ranges, conditions). The signature is the only
 * credential: it is checked before anything is read.
 */
import { z } from 'zod';
import { ContentType } from '#schema/artifact.ts';
import { endingOf, FileType } from '#schema/file.ts';
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';
import type { Env } from '../env.ts';
import { getObject } from '../io/r2.ts';
import type { ByteRange } from '../io/r2.ts';
import { verifyMedia } from '../io/token.ts';

export type MediaRefusal =
  | { readonly reason: 'media_forbidden' }
  | { readonly reason: 'media_expired' }
  | { readonly reason: 'media_missing' }
  | { readonly reason: 'range_outside'; readonly bytes: number };

export interface MediaRequest {
  readonly key: string;
  readonly expires: string;
  readonly signature: string;
  readonly range: string | null;
  readonly ifRange: string | null;
  readonly ifNoneMatch: string | null;
  readonly now: number;
}

export interface Media {
  readonly status: 200 | 206 | 304;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: ReadableStream | null;
}

/** The answer to GET; the caller drops the body for HEAD. */
export async function serveMedia(
  env: Env,
  request: MediaRequest,
): Promise<Result<Media, MediaRefusal>> {
  if (!(await verifyMedia(env.signingKey, request))) return fail({ reason: 'media_forbidden' });
  const expiresAt = Number(request.expires);
  if (request.now >= expiresAt) return fail({ reason: 'media_expired' });
  const { key, ifRange } = request;
  const ifNoneMatch = parseTags(request.ifNoneMatch);
  let range = parseRange(request.range);
  let found = await getObject(env.artifacts, key, { range, ifNoneMatch });
  if (range && ifRange !== null && 'object' in found && found.object.httpEtag !== ifRange) {
    // The reader has a part of something else, so a part of this is of no use: RFC 9110, 13.1.5.
    range = null;
    if (found.kind === 'body') await found.object.body.cancel();
    found = await getObject(env.artifacts, key, { range, ifNoneMatch });
  }
  switch (found.kind) {
    case 'missing':
      return fail({ reason: 'media_missing' });
    case 'outside':
      return fail({ reason: 'range_outside', bytes: found.bytes });
    case 'unchanged':
      return ok({ status: 304, headers: describe(found.object, request), body: null });
    case 'body':
      return ok(toBody(found.object, { request, range }));
  }
}

function toBody(
  object: R2ObjectBody,
  { request, range }: { request: MediaRequest; range: ByteRange | null },
): Media {
  const headers: Record<string, string> = {
    ...describe(object, request),
    'content-type': contentType(object),
    'content-length': String(object.size),
  };
  if (!range) return { status: 200, headers, body: object.body };
  const start = 'suffix' in range ? Math.max(0, object.size - range.suffix) : range.offset;
  const asked = 'suffix' in range ? range.suffix : (range.length ?? object.size);
  const end = Math.min(object.size, start + asked);
  headers['content-length'] = String(end - start);
  headers['content-range'] = `bytes ${start}-${end - 1}/${object.size}`;
  return { status: 206, headers, body: object.body };
}

function describe(object: R2Object, { expires, now }: MediaRequest): Record<string, string> {
  const seconds = Math.max(0, Math.floor((Number(expires) - now) / 1000));
  return {
    etag: object.httpEtag,
    'accept-ranges': 'bytes',
    'cache-control': `private, max-age=${seconds}, immutable`,
    'content-disposition': `inline; filename="${fileName(object)}"`,
    'content-security-policy': "sandbox; default-src 'none'",
    // Users show their pictures on their own pages.
    'cross-origin-resource-policy': 'cross-origin',
    'access-control-allow-origin': '*',
  };
}

/** `job_01…_main-0.png`: the job, and the output's place in it; or `file_01….png`. */
function fileName(object: R2Object): string {
  const [kind, id = 'result', , file = ''] = object.key.split('/');
  const type = FileType.safeParse(object.httpMetadata?.contentType);
  const ending = type.success ? endingOf(type.data) : 'bin';
  const name = kind === 'input' ? `${id}.${ending}` : `${id}-${file}`;
  return name.replaceAll(/[^\w.-]/g, '');
}

/** One of the known types, none of which a browser runs; never what else an object may say. */
function contentType(object: R2Object): string {
  const known = z.union([ContentType, FileType]).safeParse(object.httpMetadata?.contentType);
  if (!known.success) return 'application/octet-stream';
  return known.data.startsWith('text/') ? `${known.data}; charset=utf-8` : known.data;
}

/** Entity tags as RFC 9110 writes them; R2 throws at anything else, which is ignored here. */
function parseTags(header: string | null): string | null {
  const isWell = /^(?:\*|(?:W\/)?"[^"]*"(?: *, *(?:W\/)?"[^"]*")*)$/.test(header ?? '');
  return isWell ? header : null;
}

/** One byte range; anything else is ignored, as RFC 9110 allows, and the whole is served. */
export function parseRange(header: string | null): ByteRange | null {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '');
  if (!match) return null;
  const [, first, last] = match;
  if (!first) return last && Number(last) > 0 ? { suffix: Number(last) } : null;
  const offset = Number(first);
  if (!last) return { offset };
  return Number(last) < offset ? null : { offset, length: Number(last) - offset + 1 };
}
