/** Hashes a request, so that a repeat with the same idempotency key is known as the same. */
import { hashSha256 } from '../../io/token.ts';
import { toCanonicalJson } from '../prepare-job.ts';

/** 64 hex digits; the order of fields does not matter. */
export function hashRequest(request: Readonly<Record<string, unknown>>): Promise<string> {
  return hashSha256(toCanonicalJson(request));
}
