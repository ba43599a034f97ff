/**
 * Requests to where users say: a POST that goes nowhere but to public hosts (see address.ts),
 * follows no redirect, waits a bounded time and reads a bounded answer. Never throws.
 *
 * A name is looked up over HTTPS just before the call, and every address it has must be public.
 * `fetch` on Workers then looks it up again and cannot be held to an address, and a raw socket
 * reaches no host behind Cloudflare; so a name that changes between the two lookups is not
 * seen. What it could reach is bounded by the platform: Workers have no route to any private
 * network, nor to their own machine, and `global_fetch_strictly_public` (wrangler.toml) sends
 * calls to our own zone through its front door.
 */
import { z } from 'zod';
import {
  DNS_ANSWER_BYTES_MAX,
  DNS_MS_MAX,
  WEBHOOK_ANSWER_BYTES_MAX,
  WEBHOOK_CALL_MS_MAX,
} from '#schema/webhook-limits.ts';
import { fail } from '../core/result.ts';
import type { Result } from '../core/result.ts';
import type { CallOutcome } from '../core/webhook.ts';
import type { OutboundSettings } from '../env.ts';
import { checkUrl, isPublic, literalOf, nameOf } from './address.ts';
import type { UrlFault } from './address.ts';
import { withDeadline } from './deadline.ts';

export interface OutboundRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What the network is to this module; the platform's own but in tests. */
type Send = (url: string, init: RequestInit) => Promise<Response>;
const platformSend: Send = (url, init) => fetch(url, init);

/** Posts, if the URL may be called. */
export async function postOutbound(
  policy: OutboundSettings,
  request: OutboundRequest,
  send: Send = platformSend,
): Promise<CallOutcome> {
  const checked = checkUrl(request.url, policy);
  if (!checked.ok) return { kind: 'unanswered', fault: 'refused_address' };
  const lookup = await lookUp(checked.value, policy, send);
  if (lookup !== 'public') return { kind: 'unanswered', fault: lookup };
  let isLate = false;
  try {
    return await withDeadline(WEBHOOK_CALL_MS_MAX, async (signal) => {
      signal.addEventListener('abort', () => {
        isLate = true;
      });
      const { headers, body } = request;
      const init: RequestInit = { method: 'POST', headers: { ...headers }, body };
      const response = await send(checked.value.href, { ...init, redirect: 'manual', signal });
      await drop(response);
      const retryAfterMs = readRetryAfter(response.headers.get('retry-after'), Date.now());
      return { kind: 'answered', statusCode: response.status, retryAfterMs };
    });
  } catch {
    // Whatever it was, the receiver did not answer; the log of its owner says how.
    return { kind: 'unanswered', fault: isLate ? 'timeout' : 'connection' };
  }
}

/** The URL as it will be called, or why it will not be; a name that is unknown yet may be. */
export async function vetUrl(
  policy: OutboundSettings,
  text: string,
  send: Send = platformSend,
): Promise<Result<URL, UrlFault>> {
  const checked = checkUrl(text, policy);
  if (!checked.ok) return checked;
  const lookup = await lookUp(checked.value, policy, send);
  return lookup === 'refused_address' ? fail('private') : checked;
}

/** Reads what a small answer has, and leaves a large one. */
async function drop({ body }: Response): Promise<void> {
  if (!body) return;
  let bytes = 0;
  try {
    // Leaving the loop cancels the stream.
    for await (const chunk of body) {
      bytes += chunk.length;
      if (bytes > WEBHOOK_ANSWER_BYTES_MAX) return;
    }
  } catch {
    // The status has arrived: it counts, whatever becomes of the body.
  }
}

/** Seconds or a date (RFC 9110, 10.2.3) as a wait, or null. */
export function readRetryAfter(text: string | null, now: number): number | null {
  if (text === null) return null;
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  // What is no date in full may still be one to the parser.
  const at = /^[A-Z][a-z]+,? /.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? null : Math.max(0, at - now);
}

type Lookup = 'public' | 'refused_address' | 'unresolved' | 'resolver_away';

/** Types of records (RFC 1035, RFC 3596). */
const TYPES = { A: 1, AAAA: 28 } as const;
/** Answers of a resolver (RFC 1035): all went well, there is no such name. */
const NOERROR = 0;
const NXDOMAIN = 3;

const DnsAnswer = z.object({
  Status: z.int(),
  Answer: z.array(z.object({ type: z.int(), data: z.string() })).optional(),
});

/** Whether all addresses of a host are public; fails closed. */
async function lookUp(url: URL, policy: OutboundSettings, send: Send): Promise<Lookup> {
  // An address was judged already.
  if (literalOf(url) !== null) return 'public';
  let found: (readonly string[] | null)[];
  try {
    const types = Object.keys(TYPES) as (keyof typeof TYPES)[];
    found = await Promise.all(types.map((type) => ask(policy, { name: nameOf(url), type }, send)));
  } catch {
    return 'resolver_away';
  }
  // One kind of address that cannot be told may be the one that is called.
  if (found.includes(null)) return 'unresolved';
  const addresses = found.flatMap((list) => list ?? []);
  if (addresses.length === 0) return 'unresolved';
  return addresses.every(isPublic) ? 'public' : 'refused_address';
}

/** Addresses of a name, or null when its own servers do not tell. Throws when nobody answers. */
async function ask(
  policy: OutboundSettings,
  { name, type }: { name: string; type: keyof typeof TYPES },
  send: Send,
): Promise<readonly string[] | null> {
  const query = new URLSearchParams({ name, type });
  const text = await withDeadline(DNS_MS_MAX, async (signal) => {
    const init: RequestInit = { headers: { accept: 'application/dns-json' }, redirect: 'manual' };
    const response = await send(`${policy.dnsUrl}?${query.toString()}`, { ...init, signal });
    if (response.ok) return readText(response);
    await response.body?.cancel();
    throw new Error(`HTTP ${response.status}`);
  });
  const answer = DnsAnswer.parse(JSON.parse(text));
  if (answer.Status === NXDOMAIN) return [];
  if (answer.Status !== NOERROR) return null;
  return (answer.Answer ?? []).filter((one) => one.type === TYPES[type]).map(({ data }) => data);
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > DNS_ANSWER_BYTES_MAX) throw new Error('an answer too long');
    chunks.push(chunk);
  }
  return new Blob(chunks).text();
}
