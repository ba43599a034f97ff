/** Revokes an API key, for the operator. The Account audits it. */
import type { AccountId, ApiKeyId } from '#schema/id.ts';
import type { Env } from '../env.ts';

/** False when the account has no such key. */
export async function revokeKey(
  env: Env,
  key: { accountId: AccountId; apiKeyId: ApiKeyId },
  requestId: string,
): Promise<boolean> {
  return env.accounts.getByName(key.accountId).revokeKey(key.apiKeyId, requestId);
}
