/**
 * What a Conversation keeps in SQLite: what was said and waits, the ids of what was said before,
 * questions that may still be answered, the last job of each member, the last press of each
 * button, the chat's rule. Each table is bounded: the oldest rows go first.
 */
import { DELIVERY_CHECK_MS, IDEMPOTENCY_MS } from '#schema/limits.ts';
import {
  DRAFT_MS,
  DRAFTS_MAX,
  INBOX_MAX,
  MEMBERS_MAX,
  PRESSES_MAX,
  SEEN_MAX,
} from '#schema/chat-limits.ts';
import type { Change, Kept, Press, Rule } from '../chat/answer/speech.ts';
import type { ChatEvent } from '../chat/event.ts';
import type { Accepted } from '../rpc/conversation.ts';

const TABLES = `
  CREATE TABLE IF NOT EXISTS inbox (
    place INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, user_id TEXT NOT NULL,
    event_json TEXT NOT NULL, notes_json TEXT NOT NULL, tries INTEGER NOT NULL,
    due_at INTEGER NOT NULL
  );
  CREATE TABLE IF NOT EXISTS seen (place INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE);
  CREATE TABLE IF NOT EXISTS kept (
    id TEXT PRIMARY KEY, kept_json TEXT NOT NULL, at INTEGER NOT NULL
  );
  CREATE TABLE IF NOT EXISTS member (
    user_id TEXT PRIMARY KEY, job_id TEXT NOT NULL, at INTEGER NOT NULL
  );
  CREATE TABLE IF NOT EXISTS press (
    button TEXT PRIMARY KEY, press_json TEXT NOT NULL, at INTEGER NOT NULL
  );
  CREATE TABLE IF NOT EXISTS former (
    one INTEGER PRIMARY KEY CHECK (one = 1), chat_id TEXT NOT NULL
  );
  CREATE TABLE IF NOT EXISTS rule (
    one INTEGER PRIMARY KEY CHECK (one = 1), rule_json TEXT NOT NULL
  )`;

/** A count that began anew while its first key still counts would find the job of then. */
const PRESS_MS = 2 * IDEMPOTENCY_MS;
const OPEN: Rule = { off: false, offTypes: [] };

/** What was said and waits for its answer. */
export interface Waiting {
  readonly event: ChatEvent;
  readonly tries: number;
  /** What was done about it once and for all, by name. */
  readonly notes: Record<string, unknown>;
}

export class ConversationStore {
  readonly #storage: DurableObjectStorage;
  readonly #sql: SqlStorage;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.#sql = storage.sql;
    this.#sql.exec(TABLES);
  }

  /** Puts an event in line, unless it was there before or there is no room. */
  accept(event: ChatEvent, now: number): Accepted {
    const known = this.#sql.exec(
      'SELECT 1 FROM seen WHERE id = ?1 UNION ALL SELECT 1 FROM inbox WHERE id = ?1',
      event.id,
    );
    if (known.toArray().length > 0) return 'known';
    if (this.#count('inbox') >= INBOX_MAX) return 'full';
    this.#sql.exec(
      `INSERT INTO inbox (id, user_id, event_json, notes_json, tries, due_at)
       VALUES (?, ?, ?, '{}', 0, ?)`,
      ...[event.id, event.user.id, JSON.stringify(event), now],
    );
    return 'taken';
  }

  /** The oldest that is due, of users who are not being answered and wait for nothing older. */
  nextDue(busy: ReadonlySet<string>, now: number): Waiting | null {
    const rows = this.#sql.exec<{
      user_id: string;
      event_json: string;
      notes_json: string;
      tries: number;
      due_at: number;
    }>('SELECT user_id, event_json, notes_json, tries, due_at FROM inbox ORDER BY place');
    const passed = new Set(busy);
    for (const row of rows) {
      if (passed.has(row.user_id)) continue;
      passed.add(row.user_id);
      if (row.due_at > now) continue;
      const event = JSON.parse(row.event_json) as ChatEvent;
      return { event, tries: row.tries, notes: JSON.parse(row.notes_json) };
    }
    return null;
  }

  /** When to look again, or null when nothing waits: what is due already is being answered. */
  nextAt(now: number): number | null {
    return this.#sql
      .exec<{ at: number | null }>(
        `SELECT min(iif(due_at > ?1, due_at, ?2)) AS at
         FROM (SELECT due_at, min(place) FROM inbox GROUP BY user_id)`,
        ...[now, now + DELIVERY_CHECK_MS],
      )
      .one().at;
  }

  /** Writes down what was done about an event, so that a repeat does not do it again. */
  note(id: string, notes: Record<string, unknown>): void {
    this.#sql.exec('UPDATE inbox SET notes_json = ? WHERE id = ?', JSON.stringify(notes), id);
  }

  /** It failed, and is tried again at `dueAt`. */
  postpone(id: string, dueAt: number): void {
    this.#sql.exec('UPDATE inbox SET tries = tries + 1, due_at = ? WHERE id = ?', dueAt, id);
  }

  /** An event is answered: what is to be remembered of it, and that it was seen. */
  finish(id: string, changes: readonly Change[], now: number): void {
    this.#storage.transactionSync(() => {
      for (const change of changes) this.#apply(change, now);
      this.#sql.exec('DELETE FROM inbox WHERE id = ?', id);
      this.#sql.exec('INSERT OR IGNORE INTO seen (id) VALUES (?)', id);
      this.#sql.exec('DELETE FROM seen WHERE place <= (SELECT max(place) FROM seen) - ?', SEEN_MAX);
      this.#sql.exec('DELETE FROM kept WHERE at < ?', now - DRAFT_MS);
      this.#sql.exec('DELETE FROM press WHERE at < ?', now - PRESS_MS);
    });
  }

  #apply(change: Change, now: number): void {
    switch (change.kind) {
      case 'last_job':
        this.#sql.exec(
          'INSERT OR REPLACE INTO member (user_id, job_id, at) VALUES (?, ?, ?)',
          ...[change.userId, change.jobId, now],
        );
        this.#trim('member', 'user_id', MEMBERS_MAX);
        return;
      case 'keep':
        this.#sql.exec(
          'INSERT OR REPLACE INTO kept (id, kept_json, at) VALUES (?, ?, ?)',
          ...[change.id, JSON.stringify(change.kept), now],
        );
        this.#trim('kept', 'id', DRAFTS_MAX);
        return;
      case 'drop':
        this.#sql.exec('DELETE FROM kept WHERE id = ?', change.id);
        return;
      case 'press':
        this.#sql.exec(
          'INSERT OR REPLACE INTO press (button, press_json, at) VALUES (?, ?, ?)',
          ...[change.button, JSON.stringify(change.press), now],
        );
        this.#trim('press', 'button', PRESSES_MAX);
        return;
      case 'rule':
        this.#sql.exec(
          'INSERT OR REPLACE INTO rule (one, rule_json) VALUES (1, ?)',
          JSON.stringify(change.rule),
        );
        return;
    }
  }

  get rule(): Rule {
    return this.ownRule ?? OPEN;
  }

  /** Null when nobody has set one. */
  get ownRule(): Rule | null {
    const [row] = this.#sql.exec<{ rule_json: string }>('SELECT rule_json FROM rule').toArray();
    return row ? (JSON.parse(row.rule_json) as Rule) : null;
  }

  /** Takes over what the chat had under another id; what was set here since then stays. */
  inherit(rule: Rule | null, formerChatId: string): void {
    this.#storage.transactionSync(() => {
      this.#sql.exec('INSERT OR IGNORE INTO former (one, chat_id) VALUES (1, ?)', formerChatId);
      if (rule === null) return;
      const json = JSON.stringify(rule);
      this.#sql.exec('INSERT OR IGNORE INTO rule (one, rule_json) VALUES (1, ?)', json);
    });
  }

  get formerChatId(): string | null {
    const rows = this.#sql.exec<{ chat_id: string }>('SELECT chat_id FROM former').toArray();
    return rows[0]?.chat_id ?? null;
  }

  pressed(button: string): Press | null {
    const rows = this.#sql.exec<{ press_json: string }>(
      'SELECT press_json FROM press WHERE button = ?',
      button,
    );
    const [row] = rows.toArray();
    return row ? (JSON.parse(row.press_json) as Press) : null;
  }

  lastJobOf(userId: string): string | null {
    const rows = this.#sql.exec<{ job_id: string }>(
      'SELECT job_id FROM member WHERE user_id = ?',
      userId,
    );
    return rows.toArray()[0]?.job_id ?? null;
  }

  kept(id: string, now: number): Kept | null {
    const rows = this.#sql.exec<{ kept_json: string }>(
      'SELECT kept_json FROM kept WHERE id = ? AND at >= ?',
      ...[id, now - DRAFT_MS],
    );
    const [row] = rows.toArray();
    return row ? (JSON.parse(row.kept_json) as Kept) : null;
  }

  #count(table: 'inbox' | 'member' | 'kept' | 'press'): number {
    return this.#sql.exec<{ n: number }>(`SELECT count(*) AS n FROM ${table}`).one().n;
  }

  /** Lets the oldest rows go beyond so many. */
  #trim(table: 'member' | 'kept' | 'press', key: string, most: number): void {
    const over = this.#count(table) - most;
    if (over <= 0) return;
    this.#sql.exec(
      `DELETE FROM ${table} WHERE ${key} IN (SELECT ${key} FROM ${table} ORDER BY at LIMIT ?)`,
      over,
    );
  }
}
