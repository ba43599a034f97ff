import { cloudflareTest } from '@cloudflare/vitest-plugin';
import { defineConfig } from 'vitest/config';

/** Values of the Worker's secrets in tests; nothing outside knows them. */
const TEST_SECRETS = {
  ADMIN_KEY: 'admin-key-of-the-tests-only',
  SIGNING_KEY: 'c2lnbmluZy1rZXktb2YtdGhlLXRlc3RzLW9ubHk',
};
/** A bot for each test of a courier: objects are told apart by name only. */
const COURIER_BOTS = Array.from({ length: 16 }, (_, number) => [
  {
    id: `courier-telegram-${number}`,
    platform: 'telegram',
    type: 'image',
    token: `${number}:telegram`,
    webhookSecret: 'webhook-secret-of-tests',
    username: `courier_${number}_bot`,
  },
  {
    id: `courier-discord-${number}`,
    platform: 'discord',
    type: 'image',
    token: `discord-${number}`,
    publicKey: '0'.repeat(64),
    applicationId: `77${number}`,
  },
]).flat();
/** Bots that are spoken to by webhook; the tests hold the other half of the key. */
const HOOK_BOTS = [
  {
    id: 'hook-telegram',
    platform: 'telegram',
    type: 'image',
    token: '900:hook',
    webhookSecret: 'webhook-secret-of-tests',
    username: 'hook_bot',
  },
  {
    id: 'hook-discord',
    platform: 'discord',
    type: 'image',
    token: 'discord-hook',
    publicKey: 'acac843e509ded83a0e100d7e9962933b3598bfce8660a32b1d54ba674c178b1',
    applicationId: '7790',
  },
];
Object.assign(process.env, {
  CLOUDFLARE_CF_FETCH_ENABLED: 'false',
  WRANGLER_LOG: 'warn',
  DATABASE_URL: process.env['DATABASE_URL'] ?? 'given-by-the-global-setup',
  ...TEST_SECRETS,
});

const BUILT = ['**/node_modules/**', '**/out/**', '**/.next/**'];

export default defineConfig({
  test: {
    // Two cores would otherwise be one worker: the default leaves a core free.
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: 'core',
          include: ['edge/core/**/*.test.ts', 'schema/**/*.test.ts'],
        },
      },
      {
        plugins: [
          cloudflareTest(({ inject }) => ({
            wrangler: { configPath: './wrangler.toml' },
            miniflare: {
              bindings: {
                ...TEST_SECRETS,
                ENVIRONMENT: 'local',
                BOTS: JSON.stringify([...COURIER_BOTS, ...HOOK_BOTS]),
                POOLS: 'main',
                PUBLIC_URL: 'http://127.0.0.1:8787',
                DATABASE_URL: inject('databaseUrl'),
                DATABASE_WS_PROXY: inject('databaseProxy'),
              },
            },
          })),
        ],
        test: {
          name: 'edge',
          // CommonJS inside, which workerd only takes when it is bundled.
          deps: { optimizer: { ssr: { enabled: true, include: ['discord-api-types/v10'] } } },
          include: ['edge/**/*.test.ts'],
          exclude: [...BUILT, 'edge/core/**', 'edge/sim/**'],
          globalSetup: ['dev/test-database.ts'],
          testTimeout: 20_000,
        },
      },
      {
        test: { name: 'sim', include: ['edge/sim/**/*.test.ts'], testTimeout: 60_000 },
      },
      {
        test: { name: 'agent', include: ['agent/**/*.test.ts'], testTimeout: 60_000 },
      },
      {
        test: {
          name: 'web',
          // Two of its files build the site, which only one may do at a time.
          fileParallelism: false,
          include: ['web/**/*.test.{ts,tsx}'],
          exclude: BUILT,
          testTimeout: 60_000,
          hookTimeout: 180_000,
        },
      },
      {
        test: {
          name: 'dev',
          include: ['dev/**/*.test.ts'],
          exclude: [...BUILT, 'dev/e2e/**'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['dev/e2e/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 180_000,
          fileParallelism: false,
          // After the others: it needs the machine, and the site's build, for itself.
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
