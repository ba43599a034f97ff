/** The secret that signs messages to the URLs of single jobs that come without one. */
import type { Env } from '../env.ts';
import { deriveWebhookSecret } from '../io/signature.ts';

/** It is the same for ever, and each account has its own. */
export function readSecret(env: Env, accountId: string): Promise<string> {
  return deriveWebhookSecret(env.signingKey, accountId);
}
