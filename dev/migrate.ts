/**
 * Brings the schema of a Postgres up to schema/migrations. Forward only; safe to repeat.
 * Two runs at once are serialised by an advisory lock. Never called by the Worker.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { drizzle } from 'drizzle-orm/node-postgres';
import { migrate } from 'drizzle-orm/node-postgres/migrator';
import pg from 'pg';

const MIGRATIONS = join(import.meta.dirname, '..', 'schema', 'migrations');
const LOCK = 7_377_370; // any constant of our own: names the migration lock

/** Applies what is missing; resolves to false when there is no migration yet. */
export async function migrateDatabase(databaseUrl: string): Promise<boolean> {
  if (!existsSync(join(MIGRATIONS, 'meta', '_journal.json'))) return false;
  const client = new pg.Client({ connectionString: databaseUrl });
  client.on('error', () => {}); // a server that dies fails the query
  await client.connect();
  try {
    await client.query('select pg_advisory_lock($1)', [LOCK]);
    await migrate(drizzle(client), { migrationsFolder: MIGRATIONS });
    return true;
  } finally {
    await client.end();
  }
}

if (import.meta.main) {
  const databaseUrl = process.env['DATABASE_URL'];
  if (databaseUrl === undefined) {
    process.stderr.write('DATABASE_URL names no database.\n');
    process.exit(1);
  }
  const found = await migrateDatabase(databaseUrl);
  process.stdout.write(found ? 'The schema is up to date.\n' : 'There are no migrations yet.\n');
}
