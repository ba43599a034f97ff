/** Who uses Tessera: accounts and the ways into them. Mirrors of what the edge's objects hold. */
import { boolean, index, jsonb, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core';

const createdAt = timestamp({ withTimezone: true }).notNull();

export const account = pgTable('account', {
  id: text().primaryKey(),
  name: text().notNull(),
  plan: text().notNull(),
  /** When a plan granted for a time ends. */
  planEndsAt: timestamp({ withTimezone: true }),
  blocked: boolean().notNull().default(false),
  blockReason: text(),
  createdAt,
});

/** A platform's user, e.g. `telegram:123`, that reaches an account. */
export const identity = pgTable(
  'identity',
  {
    provider: text().notNull(),
    subject: text().notNull(),
    accountId: text().notNull(),
    createdAt,
  },
  (table) => [
    primaryKey({ columns: [table.provider, table.subject] }),
    index().on(table.accountId),
  ],
);

/** A signed-in browser; only the hash of its cookie. */
export const session = pgTable(
  'session',
  {
    idHash: text().primaryKey(),
    accountId: text().notNull(),
    createdAt,
    expiresAt: timestamp({ withTimezone: true }).notNull(),
  },
  (table) => [index().on(table.accountId)],
);

/** An API key, for listing; the Account object verifies. Only the hash of its secret. */
export const apiKey = pgTable(
  'api_key',
  {
    id: text().primaryKey(),
    accountId: text().notNull(),
    name: text().notNull(),
    secretHash: text().notNull(),
    scopes: jsonb().$type<string[]>().notNull().default([]),
    createdAt,
    expiresAt: timestamp({ withTimezone: true }),
    revokedAt: timestamp({ withTimezone: true }),
    lastUsedAt: timestamp({ withTimezone: true }),
  },
  (table) => [index().on(table.accountId)],
);

/** A single-use code that links one more identity to an account. */
export const linkCode = pgTable('link_code', {
  codeHash: text().primaryKey(),
  accountId: text().notNull(),
  createdAt,
  expiresAt: timestamp({ withTimezone: true }).notNull(),
  usedAt: timestamp({ withTimezone: true }),
});
