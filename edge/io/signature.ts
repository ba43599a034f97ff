/**
 * Signatures of webhooks after Standard Webhooks (github.com/standard-webhooks/standard-webhooks,
 * spec): `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`, one for each secret that
 * is good. Secrets are `whsec_` and base64.
 */
import { deriveSecret } from './token.ts';

const PREFIX = 'whsec_';
const SECRET_BYTES = 32;

/** What is signed. */
export interface SignedMessage {
  /** The same on every try; receivers know repeats by it. */
  readonly id: string;
  /** Of this try; receivers refuse what is older than five minutes. */
  readonly timestampS: number;
  readonly body: string;
}

/** A new secret. */
export function makeWebhookSecret(): string {
  return PREFIX + toBase64(crypto.getRandomValues(new Uint8Array(SECRET_BYTES)));
}

/** The secret of an account for URLs of single jobs that come without one. */
export async function deriveWebhookSecret(signingKey: string, accountId: string): Promise<string> {
  return toWebhookSecret(await deriveSecret(signingKey, 'webhook', accountId));
}

/** A secret of an endpoint that the same request, made again, can be told again. */
export async function deriveEndpointSecret(
  signingKey: string,
  id: string,
  idempotencyKey: string,
): Promise<string> {
  return toWebhookSecret(await deriveSecret(signingKey, 'endpoint', `${id} ${idempotencyKey}`));
}

/** 32 bytes in base64url as a webhook's secret. */
function toWebhookSecret(base64Url: string): string {
  return `${PREFIX}${base64Url.replaceAll('-', '+').replaceAll('_', '/')}=`;
}

/** The headers that make a message one of ours. */
export async function signatureHeaders(
  secrets: readonly string[],
  { id, timestampS, body }: SignedMessage,
): Promise<Record<string, string>> {
  const message = new TextEncoder().encode(`${id}.${timestampS}.${body}`);
  const signatures = await Promise.all(secrets.map((secret) => sign(secret, message)));
  return {
    'webhook-id': id,
    'webhook-timestamp': String(timestampS),
    'webhook-signature': signatures.join(' '),
  };
}

async function sign(secret: string, message: Uint8Array): Promise<string> {
  const bytes = Uint8Array.from(atob(secret.slice(PREFIX.length)), (char) => char.charCodeAt(0));
  const algorithm = { name: 'HMAC', hash: 'SHA-256' };
  const key = await crypto.subtle.importKey('raw', bytes, algorithm, false, ['sign']);
  return `v1,${toBase64(new Uint8Array(await crypto.subtle.sign('HMAC', key, message)))}`;
}

function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
