/** The history of jobs: what was asked, how it ended, what it made and used. */
import {
  bigint,
  date,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  real,
  text,
  timestamp,
} from 'drizzle-orm/pg-core';
import type { JobSpec } from '../job.ts';
import type { JobFailure } from '../record.ts';
import type { Timings, Usage } from '../usage.ts';

export const job = pgTable(
  'job',
  {
    id: text().primaryKey(),
    accountId: text().notNull(),
    apiKeyId: text(),
    requestId: text().notNull(),
    type: text().notNull(),
    model: text().notNull(),
    tier: text().notNull(),
    status: text().notNull(),
    sequence: integer().notNull(),
    attempt: integer().notNull(),
    agentId: text(),
    spec: jsonb().$type<JobSpec>().notNull(),
    metadata: jsonb().$type<Record<string, string>>().notNull(),
    heldMillitokens: bigint({ mode: 'number' }).notNull(),
    settledMillitokens: bigint({ mode: 'number' }),
    day: date().notNull(),
    usage: jsonb().$type<Usage>().notNull(),
    timings: jsonb().$type<Timings>(),
    error: jsonb().$type<JobFailure>(),
    createdAt: timestamp({ withTimezone: true, precision: 3 }).notNull(),
    queuedAt: timestamp({ withTimezone: true, precision: 3 }),
    startedAt: timestamp({ withTimezone: true, precision: 3 }),
    finishedAt: timestamp({ withTimezone: true, precision: 3 }),
    cancelRequestedAt: timestamp({ withTimezone: true, precision: 3 }),
    deadlineAt: timestamp({ withTimezone: true, precision: 3 }),
  },
  (table) => [
    // Pages of one account's history, newest first: ids sort by time.
    index().on(table.accountId, table.id.desc()),
    index().on(table.finishedAt),
  ],
);

/** An output in R2. */
export const artifact = pgTable(
  'artifact',
  {
    jobId: text().notNull(),
    index: integer().notNull(),
    key: text().notNull(),
    contentType: text().notNull(),
    bytes: bigint({ mode: 'number' }).notNull(),
    sha256: text().notNull(),
    width: integer(),
    height: integer(),
    durationS: real(),
    thumbnailKey: text(),
    expiresAt: timestamp({ withTimezone: true }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.jobId, table.index] }), index().on(table.expiresAt)],
);

/**
 * A job that its owner shows in the public gallery. The row stays after a removal by the operator,
 * so that it cannot be published again; the prompt is a copy, kept only while it is shown.
 */
export const galleryEntry = pgTable(
  'gallery_entry',
  {
    jobId: text().primaryKey(),
    accountId: text().notNull(),
    type: text().notNull(),
    model: text().notNull(),
    prompt: text(),
    publishedAt: timestamp({ withTimezone: true, precision: 3 }).notNull(),
    removedAt: timestamp({ withTimezone: true, precision: 3 }),
    removedReason: text(),
  },
  // Pages, newest first.
  (table) => [index().on(table.publishedAt.desc(), table.jobId.desc())],
);

/** What one job used, for sums by day, type and key. */
export const usage = pgTable(
  'usage',
  {
    jobId: text().primaryKey(),
    accountId: text().notNull(),
    apiKeyId: text(),
    day: date().notNull(),
    type: text().notNull(),
    model: text().notNull(),
    millitokens: bigint({ mode: 'number' }).notNull(),
    serviceMs: bigint({ mode: 'number' }).notNull(),
    completionTokens: integer(),
    audioS: real(),
  },
  (table) => [index().on(table.accountId, table.day)],
);
