/**
 * The Worker's bindings, parsed once: the only edge file that reads the raw environment. The
 * interfaces of the Durable Objects, as their callers see them over RPC, are in rpc/.
 * Objects are named: an Account by its account id, a Scheduler by its pool, a Feed by its job id,
 * a Directory by an identity, a courier by its endpoint's or bot's id, a Conversation by its chat.
 */
import { z } from 'zod';
import { Bots } from '#schema/chat.ts';
import type { Bot } from '#schema/chat.ts';
import { PoolId } from '#schema/id.ts';
import type { AccountObject } from './rpc/account.ts';
import type { ConversationObject } from './rpc/conversation.ts';
import type { BotCourierObject, WebhookCourierObject } from './rpc/courier.ts';
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
  MODERATION_URL?: string;
  MODERATION_KEY?: string;
  MODERATION_MODEL?: string;
  MODERATION_FAIL?: string;
  BOTS?: string;
  TELEGRAM_API_URL?: string;
  DISCORD_API_URL?: string;
  DNS_URL?: string;
  WEBHOOK_LOOPBACK?: string;
  ACCOUNT: Objects<AccountObject>;
  SCHEDULER: Objects<SchedulerObject>;
  FEED: Objects<FeedObject>;
  DIRECTORY: Objects<DirectoryObject>;
  WEBHOOK_COURIER: Objects<WebhookCourierObject>;
  BOT_COURIER: Objects<BotCourierObject>;
  CONVERSATION: Objects<ConversationObject>;
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
  MODERATION_URL: z.url().optional(),
  MODERATION_KEY: z.string().min(1).optional(),
  MODERATION_MODEL: z.string().min(1).default('omni-moderation-latest'),
  MODERATION_FAIL: z.enum(['open', 'closed']).default('open'),
  BOTS: Bots,
  TELEGRAM_API_URL: z.url().default('https://api.telegram.org'),
  DISCORD_API_URL: z.url().default('https://discord.com/api/v10'),
  DNS_URL: z.url().default('https://cloudflare-dns.com/dns-query'),
  WEBHOOK_LOOPBACK: z.enum(['0', '1']).default('0'),
});

/** A server with OpenAI's `/moderations`; `url` ends before that. */
export interface ModerationServer {
  readonly url: string;
  readonly key: string | null;
  readonly model: string;
  /** Without its word nothing is accepted; else our own rules decide alone while it is away. */
  readonly isClosed: boolean;
}

/** For calls to URLs that users gave. */
export interface OutboundSettings {
  /** A resolver over HTTPS with JSON answers, as cloudflare-dns.com and dns.google are. */
  readonly dnsUrl: string;
  /** Local mode alone: `http://127.0.0.1` may be called. */
  readonly allowsLoopback: boolean;
  /** Our own origin, which is not called, or null where it is not known. */
  readonly ownOrigin: string | null;
}

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
  /** Asked of every text beside our own rules, or null. */
  readonly moderation: ModerationServer | null;
  /** By id. */
  readonly bots: ReadonlyMap<string, Bot>;
  /** Without a slash at the end, as the next. */
  readonly telegramApiUrl: string;
  readonly discordApiUrl: string;
  /** Which URLs of users may be called, and who looks their names up. */
  readonly outbound: OutboundSettings;
  readonly accounts: Objects<AccountObject>;
  readonly schedulers: Objects<SchedulerObject>;
  readonly feeds: Objects<FeedObject>;
  readonly directories: Objects<DirectoryObject>;
  readonly webhookCouriers: Objects<WebhookCourierObject>;
  readonly botCouriers: Objects<BotCourierObject>;
  readonly conversations: Objects<ConversationObject>;
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
    moderation: toModeration(settings.data),
    bots: new Map(settings.data.BOTS.map((bot) => [bot.id, bot])),
    telegramApiUrl: settings.data.TELEGRAM_API_URL.replace(/\/$/, ''),
    discordApiUrl: settings.data.DISCORD_API_URL.replace(/\/$/, ''),
    outbound: toOutbound(settings.data),
    accounts: bindings.ACCOUNT,
    schedulers: bindings.SCHEDULER,
    feeds: bindings.FEED,
    directories: bindings.DIRECTORY,
    webhookCouriers: bindings.WEBHOOK_COURIER,
    botCouriers: bindings.BOT_COURIER,
    conversations: bindings.CONVERSATION,
    artifacts: bindings.ARTIFACTS,
    assets: bindings.ASSETS ?? null,
  };
  PARSED.set(bindings, env);
  return env;
}

function toOutbound(settings: z.infer<typeof Settings>): OutboundSettings {
  const { ENVIRONMENT: environment, WEBHOOK_LOOPBACK: loopback } = settings;
  return {
    dnsUrl: settings.DNS_URL,
    allowsLoopback: environment === 'local' && loopback === '1',
    ownOrigin: settings.PUBLIC_URL ?? null,
  };
}

function toModeration(settings: z.infer<typeof Settings>): ModerationServer | null {
  const { MODERATION_URL: url, MODERATION_KEY: key, MODERATION_MODEL: model } = settings;
  if (url === undefined) return null;
  const isClosed = settings.MODERATION_FAIL === 'closed';
  return { url: url.replace(/\/$/, ''), key: key ?? null, model, isClosed };
}

/** The Hono environment: bindings, and what middleware leaves for the routes. */
export interface AppEnv {
  Bindings: Bindings;
  Variables: { env: Env; requestId: string; origin: string };
}
