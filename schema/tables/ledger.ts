/**
 * The double-entry ledger: each row moves an amount from one side to another and is never
 * changed. A hold moves available -> held, a settlement held -> spent, a release
 * held -> available. For every job that ended: hold = settle + release.
 */
import { bigint, date, index, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core';

export const ledgerEntry = pgTable(
  'ledger_entry',
  {
    jobId: text().notNull(),
    /** hold, settle or release: once each for a job. */
    kind: text().notNull(),
    accountId: text().notNull(),
    debit: text().notNull(),
    credit: text().notNull(),
    millitokens: bigint({ mode: 'number' }).notNull(),
    day: date().notNull(),
    createdAt: timestamp({ withTimezone: true, precision: 3 }).notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.jobId, table.kind] }),
    index().on(table.accountId, table.day),
  ],
);
