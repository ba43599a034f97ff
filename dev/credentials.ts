/**
 * The local system's secrets (made once) and credentials (an account's key, an agent's token).
 * Credentials are asked of the running Worker and kept; when the Worker no longer knows them,
 * as after its state was deleted, new ones are made.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { CreatedAccount, CreatedAgent } from '#schema/api.ts';
import { call, CallError } from './api.ts';
import { readJson, writeJson } from './disk.ts';

const Secrets = z.object({ adminKey: z.string(), signingKey: z.string() });
export type Secrets = z.infer<typeof Secrets>;

const Credentials = z.object({
  baseUrl: z.string(),
  apiKey: z.string(),
  adminKey: z.string(),
  agentToken: z.string(),
});
export type Credentials = z.infer<typeof Credentials>;

export function keepSecrets(data: string): Secrets {
  const file = join(data, 'secrets.json');
  const kept = Secrets.safeParse(readJson(file));
  if (kept.success) return kept.data;
  const secrets = {
    adminKey: `adm_${randomBytes(24).toString('base64url')}`,
    signingKey: randomBytes(32).toString('base64url'),
  };
  writeJson(file, secrets);
  return secrets;
}

/** Reads DATA/local.json, or makes a Pro account and an agent and writes it. */
export async function keepCredentials(
  data: string,
  baseUrl: string,
  secrets: Secrets,
): Promise<Credentials> {
  const file = join(data, 'local.json');
  const kept = Credentials.safeParse(readJson(file));
  if (kept.success && (await isKnown(baseUrl, kept.data.apiKey))) {
    const credentials = { ...kept.data, baseUrl, adminKey: secrets.adminKey };
    writeJson(file, credentials);
    return credentials;
  }
  const admin = { method: 'POST', bearer: secrets.adminKey } as const;
  const account = await call(`${baseUrl}/admin/v1/accounts`, {
    ...admin,
    body: { name: 'local', plan: 'pro' },
  });
  const agent = await call(`${baseUrl}/admin/v1/agents`, { ...admin, body: { name: 'local' } });
  const credentials = {
    baseUrl,
    apiKey: CreatedAccount.parse(account).api_key,
    adminKey: secrets.adminKey,
    agentToken: CreatedAgent.parse(agent).token,
  };
  writeJson(file, credentials);
  return credentials;
}

async function isKnown(baseUrl: string, apiKey: string): Promise<boolean> {
  try {
    await call(`${baseUrl}/v1/account`, { bearer: apiKey });
    return true;
  } catch (error) {
    if (error instanceof CallError && error.status === 401) return false;
    throw error;
  }
}
