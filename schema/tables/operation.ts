/** What the operator looks at: agents, the audit trail, webhook endpoints. */
import { boolean, index, jsonb, pgTable, text, timestamp } from 'drizzle-orm/pg-core';
import type { Capabilities } from '../agent-protocol.ts';

/** An agent token and the box that uses it; the Scheduler verifies. */
export const agent = pgTable('agent', {
  id: text().primaryKey(),
  pool: text().notNull(),
  name: text().notNull(),
  tokenHash: text().notNull(),
  capabilities: jsonb().$type<Capabilities>(),
  createdAt: timestamp({ withTimezone: true }).notNull(),
  lastSeenAt: timestamp({ withTimezone: true }),
  revokedAt: timestamp({ withTimezone: true }),
});

/** Every action of a user or the operator. The id makes a repeated write harmless. */
export const audit = pgTable(
  'audit',
  {
    id: text().primaryKey(),
    /** account id, `admin`, or agent id. */
    actor: text().notNull(),
    /** noun.verb, e.g. `job.submit`. */
    action: text().notNull(),
    target: text().notNull(),
    requestId: text(),
    detail: jsonb().$type<Record<string, unknown>>().notNull(),
    createdAt: timestamp({ withTimezone: true, precision: 3 }).notNull(),
  },
  (table) => [
    index().on(table.actor, table.createdAt),
    index().on(table.target),
    // Pages of all entries, newest first.
    index().on(table.createdAt.desc(), table.id.desc()),
  ],
);

/** A user's endpoint for events. */
export const webhook = pgTable(
  'webhook',
  {
    id: text().primaryKey(),
    accountId: text().notNull(),
    url: text().notNull(),
    events: jsonb().$type<string[]>().notNull(),
    secretHash: text().notNull(),
    disabled: boolean().notNull().default(false),
    createdAt: timestamp({ withTimezone: true }).notNull(),
  },
  (table) => [index().on(table.accountId)],
);
