/**
 * Reads a form (RFC 7578) that comes with files into one piece of memory, and hands out its parts
 * as views of it: nothing is copied. A file is taken once; when all are, and the form's own parts
 * are forgotten, its memory is free, however long its request goes on.
 */
import { assert } from '#schema/assert.ts';
import type { SentFile } from '#schema/file.ts';
import { FORM_HEAD_BYTES_MAX, FORM_PARTS_MAX } from '#schema/form-limits.ts';
import { JSON_BODY_BYTES_MAX } from '#schema/limits.ts';
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';

export type FormEntry = readonly [name: string, value: string | SentFile];

export type FormRefusal =
  /** No form, cut short, or with too many parts. */
  | { readonly reason: 'form_unreadable' }
  | { readonly reason: 'form_too_large'; readonly limit: number };

const DASH = 45;
const CR = 13;
const ENCODER = new TextEncoder();
const BREAK = ENCODER.encode('\r\n');
const HEAD_END = ENCODER.encode('\r\n\r\n');
const UNREADABLE = { reason: 'form_unreadable' } as const;

/** The parts of a request's form, in their order. */
export async function readForm(
  request: Request,
  bytesMax: number,
): Promise<Result<readonly FormEntry[], FormRefusal>> {
  const boundary = boundaryOf(request.headers.get('content-type') ?? '');
  if (boundary === null || !request.body) return fail(UNREADABLE);
  const declared = request.headers.get('content-length') ?? '';
  const length = /^\d{1,12}$/.test(declared) ? Number(declared) : null;
  if (length !== null && length > bytesMax) {
    await request.body.cancel();
    return fail({ reason: 'form_too_large', limit: bytesMax });
  }
  try {
    const body = await readBody(request.body, { length, bytesMax });
    return body.ok ? parseForm(body.value, boundary) : body;
  } catch {
    // Its client broke off.
    return fail(UNREADABLE);
  }
}

function boundaryOf(contentType: string): string | null {
  const match = /^multipart\/form-data\s*;.*?boundary=(?:"([^"]{1,200})"|([^\s;"]{1,200}))/i.exec(
    contentType,
  );
  return match?.[1] ?? match?.[2] ?? null;
}

/** The whole of a body, in memory of its own length where that is known. */
async function readBody(
  body: ReadableStream<Uint8Array>,
  { length, bytesMax }: { length: number | null; bytesMax: number },
): Promise<Result<Uint8Array, FormRefusal>> {
  let memory = new Uint8Array(length ?? FORM_HEAD_BYTES_MAX);
  let used = 0;
  for await (const chunk of body) {
    const needed = used + chunk.length;
    if (needed > bytesMax) return fail({ reason: 'form_too_large', limit: bytesMax });
    if (needed > memory.length) {
      const larger = new Uint8Array(Math.min(bytesMax, Math.max(needed, memory.length * 2)));
      larger.set(memory.subarray(0, used));
      memory = larger;
    }
    memory.set(chunk, used);
    used = needed;
  }
  return ok(memory.subarray(0, used));
}

/** The parts of a form that is there whole; its files are views of it. */
export function parseForm(
  body: Uint8Array,
  boundary: string,
): Result<readonly FormEntry[], FormRefusal> {
  const delimiter = ENCODER.encode(`\r\n--${boundary}`);
  const entries: FormEntry[] = [];
  // The first delimiter may stand at the very beginning, without the line break before it.
  const isFirst = startsAt(body, delimiter.subarray(2), 0);
  let at = isFirst ? delimiter.length - 2 : after(body, delimiter, 0);
  while (at !== -1 && entries.length <= FORM_PARTS_MAX) {
    if (body[at] === DASH && body[at + 1] === DASH) return ok(entries);
    const head = openPart(body, at);
    if (!head) return fail(UNREADABLE);
    const end = find(body, delimiter, head.end);
    if (end === -1) return fail(UNREADABLE);
    const content = body.subarray(head.end, end);
    const { name, filename } = head;
    if (filename === null && content.length > JSON_BODY_BYTES_MAX) {
      return fail({ reason: 'form_too_large', limit: JSON_BODY_BYTES_MAX });
    }
    entries.push([
      name,
      filename === null ? new TextDecoder().decode(content) : toSentFile(filename, content),
    ]);
    at = end + delimiter.length;
  }
  return fail(UNREADABLE);
}

interface Head {
  readonly name: string;
  /** Null for a part that is no file. */
  readonly filename: string | null;
  /** Where the content begins. */
  readonly end: number;
}

/** The head of the part whose delimiter ends here; null for none. */
function openPart(body: Uint8Array, at: number): Head | null {
  let from = at;
  while (body[from] === 32 || body[from] === 9) from += 1;
  if (!startsAt(body, BREAK, from)) return null;
  const end = find(body.subarray(0, from + FORM_HEAD_BYTES_MAX), HEAD_END, from);
  if (end === -1) return null;
  const text = new TextDecoder().decode(body.subarray(from + 2, end));
  const line = text.split('\r\n').find((one) => /^content-disposition\s*:/i.test(one)) ?? '';
  const parameters = parseParameters(line);
  const name = parameters.get('name');
  if (name === undefined) return null;
  const filename = parameters.get('filename*') ?? parameters.get('filename') ?? null;
  return { name, filename, end: end + HEAD_END.length };
}

/** `name="a"; filename="b"`, with the escapes that browsers, curl and Python use. */
function parseParameters(line: string): Map<string, string> {
  const found = new Map<string, string>();
  const pairs = line.matchAll(/;\s*(name|filename\*?)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))/gi);
  for (const [, name = '', quoted, bare = ''] of pairs) {
    const key = name.toLowerCase();
    const text = quoted?.replaceAll(/\\(["\\])/g, '$1') ?? bare;
    found.set(key, key === 'filename*' ? decodeExtended(text) : decodeEscapes(text));
  }
  return found;
}

/** What the standard of forms escapes in names: quotes and line breaks. */
function decodeEscapes(text: string): string {
  return text.replaceAll(/%22/g, '"').replaceAll(/%0d/gi, '\r').replaceAll(/%0a/gi, '\n');
}

/** `UTF-8''na%C3%AFve.wav` (RFC 8187). */
function decodeExtended(text: string): string {
  const encoded = /^utf-8'[^']*'(.*)$/i.exec(text)?.[1] ?? '';
  try {
    return decodeURIComponent(encoded);
  } catch {
    // A name is only ever shown.
    return encoded;
  }
}

function toSentFile(name: string, bytes: Uint8Array): SentFile {
  let kept: Uint8Array | null = bytes;
  const take = (): Uint8Array => {
    assert(kept !== null, 'a file of a form is taken once');
    const taken = kept;
    kept = null;
    return taken;
  };
  return { name, size: bytes.length, take };
}

/** Where the first such bytes from here on end, or -1. */
function after(body: Uint8Array, wanted: Uint8Array, from: number): number {
  const at = find(body, wanted, from);
  return at === -1 ? -1 : at + wanted.length;
}

/** Where the first such bytes from here on begin, or -1; they begin with a line break. */
function find(body: Uint8Array, wanted: Uint8Array, from: number): number {
  for (let at = body.indexOf(CR, from); at !== -1; at = body.indexOf(CR, at + 1)) {
    if (startsAt(body, wanted, at)) return at;
  }
  return -1;
}

function startsAt(body: Uint8Array, wanted: Uint8Array, at: number): boolean {
  if (at + wanted.length > body.length) return false;
  for (let index = 0; index < wanted.length; index += 1) {
    if (body[at + index] !== wanted[index]) return false;
  }
  return true;
}
