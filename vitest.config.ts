import { cloudflareTest } from '@cloudflare/vitest-plugin';
import { defineConfig } from 'vitest/config';

/** Values of the Worker's secrets in tests; nothing outside knows them. */
const TEST_SECRETS = {
  ADMIN_KEY: 'admin-key-of-the-tests-only',
  SIGNING_KEY: 'c2lnbmluZy1rZXktb2YtdGhlLXRlc3RzLW9ubHk',
};
Object.assign(process.env, {
  CLOUDFLARE_CF_FETCH_ENABLED: 'false',
  WRANGLER_LOG: 'warn',
  DATABASE_URL: process.env['DATABASE_URL'] ?? 'given-by-the-global-setup',
  ...TEST_SECRETS,
});

const BUILT = ['**/node_modules/**', '**/out/**', '**/.next/**'];

export default defineConfig({
  test: {
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
