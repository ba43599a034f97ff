/**
 * The site is exported to static files (`web/out`) and served by the Worker on its own origin.
 * TypeScript 7 has no JavaScript API, so Next cannot check types itself: `npm run check` does.
 */
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NextConfig } from 'next';

const WEB = dirname(fileURLToPath(import.meta.url));

const config: NextConfig = {
  output: 'export',
  adapterPath: join(WEB, 'export-adapter.ts'),
  reactStrictMode: true,
  poweredByHeader: false,
  typescript: { ignoreBuildErrors: true },
  images: { unoptimized: true },
  turbopack: { root: dirname(WEB) },
};

export default config;
