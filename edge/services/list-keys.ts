/** Lists the API keys of an account that are not revoked, oldest first. */
import type { KeyView } from '#schema/key.ts';
import type { Env } from '../env.ts';
import { viewKey } from './view-key.ts';

/** As their Account has them: what was just made or revoked is told. */
export async function listKeys(env: Env, accountId: string): Promise<KeyView[]> {
  return (await env.accounts.getByName(accountId).keys()).map(viewKey);
}
