/** Makes an API key for its owner. The Account keeps it, and audits it. */
import { formatApiKey } from '#schema/id.ts';
import type { CreatedKey, CreateKey } from '#schema/key.ts';
import { fail, ok } from '../core/result.ts';
import type { Result } from '../core/result.ts';
import type { Env } from '../env.ts';
import type { KeyRefusal, Principal } from '../rpc/account.ts';
import { makeApiKeyId } from '../io/id.ts';
import { deriveSecret, hashSha256, hintOf, makeSecret } from '../io/token.ts';
import { hashRequest } from './openai/hash-request.ts';
import { viewKey } from './view-key.ts';

export type MakeKeyRefusal =
  | KeyRefusal
  | { readonly reason: 'expiry_past'; readonly value: string };

export interface KeyWish {
  readonly principal: Principal;
  readonly wish: CreateKey;
  /** Of the request; null when it does not come again. */
  readonly idempotencyKey: string | null;
}

/**
 * The secret is in this answer and nowhere else: only its hash is kept. For a request that may
 * come again it is made of the key's id and the idempotency key, so that it can be told again.
 */
export async function makeKey(
  env: Env,
  { principal, wish, idempotencyKey }: KeyWish,
  { requestId, now }: { requestId: string; now: number },
): Promise<Result<{ key: CreatedKey; replayed: boolean }, MakeKeyRefusal>> {
  const expiresAt = wish.expires_at === null ? null : Date.parse(wish.expires_at);
  if (wish.expires_at !== null && expiresAt! <= now) {
    return fail({ reason: 'expiry_past', value: wish.expires_at });
  }
  const { accountId, apiKeyId } = principal;
  const secretOf = async (id: string): Promise<string> =>
    idempotencyKey === null
      ? makeSecret()
      : deriveSecret(env.signingKey, 'api_key', `${id} ${idempotencyKey}`);
  const id = makeApiKeyId(now);
  const secret = await secretOf(id);
  const made = await env.accounts.getByName(accountId).makeKey(
    {
      id,
      secretHash: await hashSha256(secret),
      hint: hintOf(secret),
      name: wish.name,
      scopes: wish.scopes,
      models: wish.models,
      dailyMillitokens: wish.daily_tokens === null ? null : Math.round(wish.daily_tokens * 1000),
      requestsPerMinute: wish.requests_per_minute,
      expiresAt,
      ...(idempotencyKey === null
        ? {}
        : { repeat: { idempotencyKey, bodyHash: await hashRequest(wish) } }),
    },
    { actor: apiKeyId ?? accountId, requestId, reason: null, byKeyId: apiKeyId },
  );
  if (!made.ok) return made;
  const replayed = made.value.id !== id;
  const told = replayed ? await secretOf(made.value.id) : secret;
  // Secrets that were derived end with the signing key that they were derived by.
  if (hintOf(told) !== made.value.hint) return fail({ reason: 'key_changed' });
  const key = { ...viewKey(made.value), api_key: formatApiKey(accountId, told) };
  return ok({ key, replayed });
}
