/**
 * What a bot's courier keeps in SQLite: its slots, the newest chat of each account, and the
 * messages it gave up. A slot is written when news comes and when its message changes: some six
 * rows in a job's whole life. Ended slots stay for BOT_KEEP_MS, so that repeats find them; what
 * was sent beside one, for as long as a bot can take it away.
 */
import { BOT_FAILURES_MAX, BOT_KEEP_MS, TELEGRAM_DELETE_MS_MAX } from '#schema/limits.ts';
import type { ChatAddress } from '#schema/chat.ts';
import type { Slot } from './slot.ts';

const TABLES = `
  CREATE TABLE IF NOT EXISTS slot (
    key TEXT PRIMARY KEY, open INTEGER NOT NULL, changed_at INTEGER NOT NULL, slot_json TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS slot_open ON slot (changed_at) WHERE open = 1;
  CREATE INDEX IF NOT EXISTS slot_ended ON slot (changed_at) WHERE open = 0;
  CREATE TABLE IF NOT EXISTS meeting (
    account_id TEXT PRIMARY KEY, at INTEGER NOT NULL, chat_json TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS origin (
    token TEXT PRIMARY KEY, at INTEGER NOT NULL, slot TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS origin_at ON origin (at);
  CREATE TABLE IF NOT EXISTS beside (
    slot TEXT PRIMARY KEY, at INTEGER NOT NULL, chat_id TEXT NOT NULL, ids_json TEXT NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS beside_at ON beside (at);
  CREATE TABLE IF NOT EXISTS failure (
    id INTEGER PRIMARY KEY, at INTEGER NOT NULL, slot TEXT NOT NULL, reason TEXT NOT NULL
  );
  CREATE TABLE IF NOT EXISTS gate (name TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID`;

/** A meeting's time is written anew when it is older than this. */
const MEETING_MS = 60 * 60_000;
/** Rows that one sweep deletes of each table. */
const SWEEP_MAX = 1000;

/** A message that was given up. */
export interface GivenUp {
  readonly at: number;
  readonly slot: string;
  readonly reason: string;
}

export class BotStore {
  readonly #sql: SqlStorage;

  constructor(storage: DurableObjectStorage) {
    this.#sql = storage.sql;
    this.#sql.exec(TABLES);
  }

  find(key: string): Slot | null {
    const row = this.#sql
      .exec<{ slot_json: string }>('SELECT slot_json FROM slot WHERE key = ?', key)
      .toArray()[0];
    return row ? (JSON.parse(row.slot_json) as Slot) : null;
  }

  put(slot: Slot, now: number): void {
    const open = slot.endedAt === null ? 1 : 0;
    this.#sql.exec(
      'INSERT OR REPLACE INTO slot (key, open, changed_at, slot_json) VALUES (?, ?, ?, ?)',
      slot.key,
      open,
      now,
      JSON.stringify(slot),
    );
  }

  /** When a slot was last written, 0 for never. */
  lastChange(): number {
    return this.#sql
      .exec<{ at: number }>(
        `SELECT max(coalesce((SELECT max(changed_at) FROM slot WHERE open = 0), 0),
                    coalesce((SELECT max(changed_at) FROM slot WHERE open = 1), 0)) AS at`,
      )
      .one().at;
  }

  /** Every slot that is not at its end, oldest change first. */
  *open(): Iterable<Slot> {
    const rows = this.#sql.exec<{ slot_json: string }>(
      'SELECT slot_json FROM slot WHERE open = 1 ORDER BY changed_at',
    );
    for (const { slot_json } of rows) yield JSON.parse(slot_json) as Slot;
  }

  /** Notes where an account was last heard of. */
  meet(accountId: string, chat: ChatAddress, now: number): void {
    const known = this.meeting(accountId);
    const isSame = known?.chat.chatId === chat.chatId && known.chat.userId === chat.userId;
    if (known && isSame && now - known.at < MEETING_MS) return;
    this.#sql.exec(
      'INSERT OR REPLACE INTO meeting (account_id, at, chat_json) VALUES (?, ?, ?)',
      accountId,
      now,
      JSON.stringify(chat),
    );
  }

  meeting(accountId: string): { readonly at: number; readonly chat: ChatAddress } | null {
    const row = this.#sql
      .exec<{ at: number; chat_json: string }>(
        'SELECT at, chat_json FROM meeting WHERE account_id = ?',
        accountId,
      )
      .toArray()[0];
    return row ? { at: row.at, chat: JSON.parse(row.chat_json) as ChatAddress } : null;
  }

  /** Whether this slot is the one that fills the deferred answer of an interaction. */
  takeOrigin(token: string, slot: string, now: number): boolean {
    this.#sql.exec(
      'INSERT OR IGNORE INTO origin (token, at, slot) VALUES (?, ?, ?)',
      token,
      now,
      slot,
    );
    return (
      this.#sql.exec<{ slot: string }>('SELECT slot FROM origin WHERE token = ?', token).one()
        .slot === slot
    );
  }

  /** Notes messages that were sent beside a slot's own. */
  keepBeside({ key, chat }: Slot, ids: readonly string[], now: number): void {
    this.#sql.exec(
      'INSERT OR REPLACE INTO beside (slot, at, chat_id, ids_json) VALUES (?, ?, ?, ?)',
      ...[key, now, chat.chatId, JSON.stringify(ids)],
    );
  }

  /** The messages beside a slot's own, if they are in this chat. */
  besideOf(slot: string, chatId: string): readonly string[] {
    const [row] = this.#sql
      .exec<{ ids_json: string }>(
        'SELECT ids_json FROM beside WHERE slot = ? AND chat_id = ?',
        ...[slot, chatId],
      )
      .toArray();
    return row ? (JSON.parse(row.ids_json) as string[]) : [];
  }

  noteFailure({ at, slot, reason }: GivenUp): void {
    this.#sql.exec('INSERT INTO failure (at, slot, reason) VALUES (?, ?, ?)', at, slot, reason);
    this.#sql.exec(
      'DELETE FROM failure WHERE id <= (SELECT max(id) FROM failure) - ?',
      BOT_FAILURES_MAX,
    );
  }

  /** The newest first. */
  failures(): GivenUp[] {
    return this.#sql
      .exec<{ at: number; slot: string; reason: string }>(
        'SELECT at, slot, reason FROM failure ORDER BY id DESC',
      )
      .toArray();
  }

  /** Remembers across a restart that the platform closed a gate. */
  closeGate(name: string, until: number): void {
    this.#sql.exec('INSERT OR REPLACE INTO gate (name, until) VALUES (?, ?)', name, until);
  }

  closedGates(now: number): { name: string; until: number }[] {
    this.#sql.exec('DELETE FROM gate WHERE until <= ?', now);
    return this.#sql
      .exec<{ name: string; until: number }>('SELECT name, until FROM gate')
      .toArray();
  }

  /** Forgets what ended long ago; tells when the next is due, or null when nothing is left. */
  sweep(now: number): number | null {
    for (const [table, key, column, where, keptMs] of [
      ['slot', 'key', 'changed_at', 'open = 0 AND', BOT_KEEP_MS],
      ['origin', 'token', 'at', '', BOT_KEEP_MS],
      ['beside', 'slot', 'at', '', TELEGRAM_DELETE_MS_MAX],
    ] as const) {
      this.#sql.exec(
        `DELETE FROM ${table} WHERE ${key} IN (
           SELECT ${key} FROM ${table} WHERE ${where} ${column} <= ? ORDER BY ${column} LIMIT ?)`,
        now - keptMs,
        SWEEP_MAX,
      );
    }
    const { due } = this.#sql
      .exec<{ due: number | null }>(
        `SELECT min(at) AS due FROM (
           SELECT min(changed_at) + ?1 AS at FROM slot WHERE open = 0
           UNION ALL SELECT min(at) + ?1 FROM origin
           UNION ALL SELECT min(at) + ?2 FROM beside)`,
        ...[BOT_KEEP_MS, TELEGRAM_DELETE_MS_MAX],
      )
      .one();
    return due === null ? null : Math.max(due, now + MEETING_MS);
  }
}
