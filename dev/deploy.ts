/**
 * `npm run deploy`: brings this tree to production. Checks first what it needs and names all
 * that is missing at once; then the site, the migrations, the Worker, in the order in which each
 * can stand on the one before; at last the bots are registered, since their platforms try the
 * Worker's address. Safe to repeat. Secrets cannot be read back: `BOTS` comes by the environment,
 * and the Worker gets it from here; without it the bots stay as they are.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { unstable_readConfig } from 'wrangler';
import { z } from 'zod';
import { Bots } from '#schema/chat.ts';
import { registerBots } from './bots.ts';
import { buildSite } from './build.ts';
import { migrateDatabase } from './migrate.ts';
import { Refusal, say, step } from './progress.ts';

const ROOT = join(import.meta.dirname, '..');
const WRANGLER = join(ROOT, 'node_modules', '.bin', 'wrangler');
const SECRETS = ['DATABASE_URL', 'ADMIN_KEY', 'SIGNING_KEY'] as const;
const HEALTH_TIMEOUT_MS = 30_000;

/** Runs wrangler; resolves with its output, or null when it fails. */
async function ask(args: readonly string[]): Promise<string | null> {
  const child = spawn(WRANGLER, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'ignore'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return code === 0 ? output : null;
}

/** Runs wrangler for people to see; throws when it fails. */
async function run(args: readonly string[]): Promise<void> {
  const child = spawn(WRANGLER, args, { cwd: ROOT, stdio: 'inherit' });
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Refusal(`wrangler ${args[0]} ended with code ${code}; see above.`);
}

/** Gives the Worker a secret; not among the arguments, which others on this machine can read. */
async function putSecret(name: string, value: string): Promise<void> {
  const args = ['secret', 'put', name];
  const child = spawn(WRANGLER, args, { cwd: ROOT, stdio: ['pipe', 'ignore', 'inherit'] });
  child.stdin.end(value);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Refusal(`The secret ${name} was not set; see above.`);
}

/** What must be there before anything is changed, each as a sentence that says what to do. */
async function findMissing(publicUrl: string, databaseUrl: string | undefined): Promise<string[]> {
  const missing: string[] = [];
  if (new URL(publicUrl).hostname.endsWith('.example')) {
    missing.push('PUBLIC_URL in wrangler.toml: the address where users reach the Worker.');
  }
  if (databaseUrl === undefined) {
    missing.push('DATABASE_URL in the environment: the Postgres that is to be migrated.');
  }
  // With a list that it cannot read the Worker would answer nobody.
  const bots = Bots.safeParse(process.env['BOTS']);
  if (!bots.success) {
    missing.push(`A BOTS in the environment that is right:\n${z.prettifyError(bots.error)}`);
  }
  if ((await ask(['whoami', '--json'])) === null) {
    missing.push('A sign-in at Cloudflare: npx wrangler login, or CLOUDFLARE_API_TOKEN.');
    return missing;
  }
  // Before the first deploy the Worker does not exist; wrangler then asks for the secrets itself.
  const listed = await ask(['secret', 'list', '--format', 'json']);
  for (const name of listed === null ? [] : SECRETS) {
    if (!listed?.includes(`"${name}"`)) {
      missing.push(`The secret ${name}: npx wrangler secret put ${name}`);
    }
  }
  return missing;
}

/** Gives the Worker the bots of the environment and registers them; says what each lacks. */
async function tellPlatforms(publicUrl: string): Promise<string> {
  const text = process.env['BOTS'];
  if (text === undefined) return 'left out: BOTS is not in the environment';
  const telegramApiUrl = process.env['TELEGRAM_API_URL'] ?? 'https://api.telegram.org';
  const discordApiUrl = process.env['DISCORD_API_URL'] ?? 'https://discord.com/api/v10';
  const bots = Bots.parse(text);
  await putSecret('BOTS', text);
  const all = await registerBots(bots, { publicUrl, telegramApiUrl, discordApiUrl });
  for (const { id, ok, remark } of all) say(`  ${ok ? '·' : '!'} bot ${id}: ${remark}`);
  const failed = all.filter(({ ok }) => !ok);
  if (failed.length === 0) return `${all.length} registered`;
  throw new Refusal(`Not registered: ${failed.map(({ id }) => id).join(', ')}; see above.`);
}

async function checkHealth(publicUrl: string): Promise<string> {
  const signal = AbortSignal.timeout(HEALTH_TIMEOUT_MS);
  const answer = await fetch(new URL('/health', publicUrl), { signal });
  return `${answer.status} ${await answer.text()}`;
}

async function deploy(): Promise<void> {
  const config = unstable_readConfig({ config: join(ROOT, 'wrangler.toml') });
  const publicUrl = String(config.vars['PUBLIC_URL']);
  const databaseUrl = process.env['DATABASE_URL'];
  const missing = await findMissing(publicUrl, databaseUrl);
  if (missing.length > 0 || databaseUrl === undefined) {
    throw new Refusal(`Nothing was deployed. Still missing:\n  - ${missing.join('\n  - ')}`);
  }
  await step(say, 'site', () => buildSite());
  await step(say, 'migrations', async () => void (await migrateDatabase(databaseUrl)));
  await run(['deploy']);
  await step(say, 'health', () => checkHealth(publicUrl));
  await step(say, 'bots', () => tellPlatforms(publicUrl));
  say(`Tessera is at ${publicUrl}`);
}

try {
  await deploy();
} catch (error) {
  process.stderr.write(`${error instanceof Refusal ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
