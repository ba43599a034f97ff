/**
 * The Worker's bindings, parsed once: the only edge file that reads the raw environment. The
 * interfaces of the Durable Objects, as their callers see them over RPC, are in rpc/.
 * Objects are named: an Account by its account id, a Scheduler by its pool, a Feed by its job id,
 * a Directory by an identity, a courier by its endpoint's or bot's id.
 */
import { z } from 'zod';
import { PoolId } from '#schema/id.ts';
import type { AccountObject } from './rpc/account.ts';
import type { BotCourierObject, CourierObject } from './rpc/courier.ts';
import type { DirectoryObject } from './rpc/directory.ts';
import type { FeedObject } from './rpc/feed.ts';
import type { SchedulerObject } from './rpc/scheduler.ts';

/** Durable Objects of one class, by name. */
export interface Objects<T> {
  getByName(name: string): T;
}

/** What the platform binds; see wrangler.toml. */
export interface Bindings {
  ENVIRONMENT: string;
  PUBLIC_URL?: string;
  POOLS?: string;
  DATABASE_URL?: string;
  DATABASE_WS_PROXY?: string;
  ADMIN_KEY?: string;
  SIGNING_KEY?: string;
  METRICS_TOKEN?: string;
  ACCOUNT: Objects<AccountObject>;
  SCHEDULER: Objects<SchedulerObject>;
  FEED: Objects<FeedObject>;
  DIRECTORY: Objects<DirectoryObject>;
  WEBHOOK_COURIER: Objects<CourierObject>;
  BOT_COURIER: Objects<BotCourierObject>;
  ARTIFACTS: R2Bucket;
  ASSETS?: Fetcher;
}

const Settings = z.object({
  ENVIRONMENT: z.enum(['local', 'production']),
  PUBLIC_URL: z.url().optional(),
  POOLS: z
    .string()
    .default('main')
    .transform((list) => list.split(',').map((pool) => pool.trim()))
    .pipe(z.array(PoolId).min(1)),
  DATABASE_URL: z.string().min(1),
  DATABASE_WS_PROXY: z.string().optional(),
  ADMIN_KEY: z.string().min(24, 'ADMIN_KEY needs at least 24 characters'),
  SIGNING_KEY: z.string().min(32, 'SIGNING_KEY needs at least 32 characters'),
  METRICS_TOKEN: z.string().min(16).optional(),
});

/** Settings and bindings, checked: what all edge code is given. */
export interface Env {
  readonly environment: 'local' | 'production';
  /** Origin of public URLs, or null: then the request's own. */
  readonly publicUrl: string | null;
  readonly pools: readonly string[];
  readonly databaseUrl: string;
  readonly databaseWsProxy: string | null;
  readonly adminKey: string;
  readonly signingKey: string;
  readonly metricsToken: string | null;
  readonly accounts: Objects<AccountObject>;
  readonly schedulers: Objects<SchedulerObject>;
  readonly feeds: Objects<FeedObject>;
  readonly directories: Objects<DirectoryObject>;
  readonly webhookCouriers: Objects<CourierObject>;
  readonly botCouriers: Objects<BotCourierObject>;
  readonly artifacts: R2Bucket;
  /** The site's static files; absent in tests. */
  readonly assets: Fetcher | null;
}

const PARSED = new WeakMap<Bindings, Env>();

/** Checks the bindings once per isolate; throws a sentence that names what is missing. */
export function parseEnv(bindings: Bindings): Env {
  const known = PARSED.get(bindings);
  if (known) return known;
  const settings = Settings.safeParse(bindings);
  if (!settings.success) {
    throw new Error(`settings: ${z.prettifyError(settings.error)}`);
  }
  const env: Env = {
    environment: settings.data.ENVIRONMENT,
    publicUrl: settings.data.PUBLIC_URL?.replace(/\/$/, '') ?? null,
    pools: settings.data.POOLS,
    databaseUrl: settings.data.DATABASE_URL,
    databaseWsProxy: settings.data.DATABASE_WS_PROXY ?? null,
    adminKey: settings.data.ADMIN_KEY,
    signingKey: settings.data.SIGNING_KEY,
    metricsToken: settings.data.METRICS_TOKEN ?? null,
    accounts: bindings.ACCOUNT,
    schedulers: bindings.SCHEDULER,
    feeds: bindings.FEED,
    directories: bindings.DIRECTORY,
    webhookCouriers: bindings.WEBHOOK_COURIER,
    botCouriers: bindings.BOT_COURIER,
    artifacts: bindings.ARTIFACTS,
    assets: bindings.ASSETS ?? null,
  };
  PARSED.set(bindings, env);
  return env;
}

/** The Hono environment: bindings, and what middleware leaves for the routes. */
export interface AppEnv {
  Bindings: Bindings;
  Variables: { env: Env; requestId: string; origin: string };
}
