/** drizzle-kit: `npm run migration` writes the next migration from the tables. */
import { defineConfig } from 'drizzle-kit';

export default defineConfig({
  dialect: 'postgresql',
  schema: './schema/tables/index.ts',
  out: './schema/migrations',
  casing: 'snake_case',
});
