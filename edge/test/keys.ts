/** Keys of every kind that is refused, for tests by HTTP. */
import { formatApiKey } from '#schema/id.ts';
import type { Scope } from '#schema/scope.ts';
import { makeApiKeyId } from '../io/id.ts';
import { hashSha256, makeSecret } from '../io/token.ts';
import { bindings } from './world.ts';

/** A key of the account, made past the checks of the API: it may have expired long ago. */
export async function giveKey(
  accountId: string,
  more: { scopes?: readonly Scope[]; expiresAt?: number } = {},
): Promise<{ id: string; apiKey: string }> {
  const secret = makeSecret();
  const id = makeApiKeyId(Date.now());
  const made = await bindings.ACCOUNT.getByName(accountId).makeKey(
    {
      ...{ id, secretHash: await hashSha256(secret), hint: secret.slice(-4), name: 'given' },
      ...{ scopes: [], models: null, dailyMillitokens: null, requestsPerMinute: null },
      ...{ expiresAt: null, ...more },
    },
    { actor: 'test', requestId: `req_${id}`, reason: null, byKeyId: null },
  );
  if (!made.ok) throw new Error(made.error.reason);
  return { id, apiKey: formatApiKey(accountId, secret) };
}
