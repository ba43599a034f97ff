/** Revokes an API key, for its owner or the operator. The Account audits it. */
import type { AccountId, ApiKeyId } from '#schema/id.ts';
import type { Env } from '../env.ts';
import type { Deed } from '../rpc/account.ts';

/** False when the account has no such key. */
export async function revokeKey(
  env: Env,
  key: { accountId: AccountId; apiKeyId: ApiKeyId },
  deed: Deed,
): Promise<boolean> {
  return env.accounts.getByName(key.accountId).revokeKey(key.apiKeyId, deed);
}
