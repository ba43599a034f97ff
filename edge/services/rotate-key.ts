/** Gives an API key a new secret, for its owner; the old one works until the overlap ends. */
import { formatApiKey } from '#schema/id.ts';
import type { ApiKeyId } from '#schema/id.ts';
import type { CreatedKey } from '#schema/key.ts';
import { ok } from '../core/result.ts';
import type { Result } from '../core/result.ts';
import type { Env } from '../env.ts';
import type { KeyRefusal, Principal } from '../rpc/account.ts';
import { hashSha256, hintOf, makeSecret } from '../io/token.ts';
import { viewKey } from './view-key.ts';

/** The new secret is in this answer and nowhere else. */
export async function rotateKey(
  env: Env,
  { principal, apiKeyId, overlapS }: { principal: Principal; apiKeyId: ApiKeyId; overlapS: number },
  requestId: string,
): Promise<Result<CreatedKey, KeyRefusal>> {
  const { accountId, apiKeyId: byKeyId } = principal;
  const secret = makeSecret();
  const secretHash = await hashSha256(secret);
  const to = { id: apiKeyId, secretHash, hint: hintOf(secret), overlapMs: overlapS * 1000 };
  const change = { actor: byKeyId ?? accountId, requestId, reason: null, byKeyId };
  const rotated = await env.accounts.getByName(accountId).rotateKey(to, change);
  if (!rotated.ok) return rotated;
  return ok({ ...viewKey(rotated.value), api_key: formatApiKey(accountId, secret) });
}
