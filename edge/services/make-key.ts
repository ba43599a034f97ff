/** Makes an API key for its owner. The Account keeps it, and audits it. */
import { formatApiKey } from '#schema/id.ts';
import type { CreatedKey, CreateKey } from '#schema/key.ts';
import { fail, ok } from '../core/result.ts';
import type { Result } from '../core/result.ts';
import type { Env } from '../env.ts';
import type { KeyRefusal, Principal } from '../rpc/account.ts';
import { makeApiKeyId } from '../io/id.ts';
import { hashSha256, hintOf, makeSecret } from '../io/token.ts';
import { viewKey } from './view-key.ts';

export type MakeKeyRefusal =
  | KeyRefusal
  | { readonly reason: 'expiry_past'; readonly value: string };

/** The secret is in this answer and nowhere else: only its hash is kept. */
export async function makeKey(
  env: Env,
  { principal, wish }: { principal: Principal; wish: CreateKey },
  { requestId, now }: { requestId: string; now: number },
): Promise<Result<CreatedKey, MakeKeyRefusal>> {
  const expiresAt = wish.expires_at === null ? null : Date.parse(wish.expires_at);
  if (wish.expires_at !== null && expiresAt! <= now) {
    return fail({ reason: 'expiry_past', value: wish.expires_at });
  }
  const { accountId, apiKeyId } = principal;
  const secret = makeSecret();
  const made = await env.accounts.getByName(accountId).makeKey(
    {
      id: makeApiKeyId(now),
      secretHash: await hashSha256(secret),
      hint: hintOf(secret),
      name: wish.name,
      scopes: wish.scopes,
      models: wish.models,
      dailyMillitokens: wish.daily_tokens === null ? null : Math.round(wish.daily_tokens * 1000),
      requestsPerMinute: wish.requests_per_minute,
      expiresAt,
    },
    { actor: apiKeyId ?? accountId, requestId, reason: null, byKeyId: apiKeyId },
  );
  if (!made.ok) return made;
  return ok({ ...viewKey(made.value), api_key: formatApiKey(accountId, secret) });
}
