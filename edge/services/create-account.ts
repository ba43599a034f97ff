/** Makes an account with its first API key, for the operator. The Account audits it. */
import { assert } from '#schema/assert.ts';
import type { CreateAccount, CreatedAccount } from '#schema/api.ts';
import { formatApiKey } from '#schema/id.ts';
import type { Env } from '../env.ts';
import { makeAccountId, makeApiKeyId } from '../io/id.ts';
import { hashSha256, hintOf, makeSecret } from '../io/token.ts';

/** The key is in this answer and nowhere else: only its hash is kept. */
export async function createAccount(
  env: Env,
  { name, plan }: CreateAccount,
  { requestId, now }: { requestId: string; now: number },
): Promise<CreatedAccount> {
  const id = makeAccountId(now);
  const apiKeyId = makeApiKeyId(now);
  const secret = makeSecret();
  const made = await env.accounts.getByName(id).create({
    id,
    name,
    plan,
    apiKey: { id: apiKeyId, secretHash: await hashSha256(secret), hint: hintOf(secret) },
    actor: 'admin',
    requestId,
  });
  assert(made, 'a new account id names no account');
  return { id, plan, api_key: formatApiKey(id, secret), api_key_id: apiKeyId };
}
