/** Who may read the figures: the operator, and a scraper by a token of its own where one is set. */
import type { Env } from '../env.ts';
import { equalSecret } from '../io/token.ts';
import { isAdmin } from './authenticate.ts';

/** `header` is `authorization`; compared in constant time. */
export async function admitScraper(env: Env, header: string | undefined): Promise<boolean> {
  if (await isAdmin(env, header)) return true;
  const token = /^Bearer +(\S{1,512})$/i.exec(header ?? '')?.[1];
  return token !== undefined && env.metricsToken !== null && equalSecret(token, env.metricsToken);
}
