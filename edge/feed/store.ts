/**
 * What a Feed keeps in SQLite: the job's newest record in one row, generated text in appended
 * rows. Tables are made with the first write, so an object that was merely asked costs nothing.
 *
 * Event ids: the state of sequence s has the id s * ID_STEP, and text that comes after it counts
 * on from there. So ids rise, and the id of a state is known without anything stored.
 */
import { assert } from '#schema/assert.ts';
import { ATTEMPTS_MAX, FEED_BYTES_MAX, FEED_EVENTS_MAX } from '#schema/limits.ts';
import type { TextDelta } from '#schema/event.ts';
import type { JobRecord } from '#schema/record.ts';

/** Ids between two states: room for all the text of all attempts. */
const ID_STEP = 2 ** 16;
assert(FEED_EVENTS_MAX * ATTEMPTS_MAX < ID_STEP, 'text fits between two states');

const TABLES = `
  CREATE TABLE IF NOT EXISTS state (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    record_json TEXT, fencing_token INTEGER NOT NULL, at INTEGER NOT NULL
  );
  CREATE TABLE IF NOT EXISTS text_event (
    id INTEGER PRIMARY KEY, offset INTEGER NOT NULL, chars INTEGER NOT NULL,
    at INTEGER NOT NULL, data_json TEXT NOT NULL
  )`;

/** The event id of a record's state. */
export function stateId(record: Pick<JobRecord, 'sequence'>): number {
  return record.sequence * ID_STEP;
}

export interface TextEvent {
  readonly id: number;
  readonly dataJson: string;
}

export class FeedStore {
  readonly #storage: DurableObjectStorage;
  #made: boolean;
  #record: JobRecord | null = null;
  #fencingToken = 0;
  /** Of the text kept: its end in UTF-16 units, its rows, its bytes, the newest id. */
  #text = { end: 0, events: 0, bytes: 0, lastId: 0 };
  #changedAt = 0;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    const found = storage.sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'state'").toArray();
    this.#made = found.length > 0;
    if (this.#made) this.#load();
  }

  get record(): JobRecord | null {
    return this.#record;
  }

  /** Whether anything is on disk, and so must be deleted one day. */
  get isStored(): boolean {
    return this.#made;
  }

  /** Time of the last write, epoch ms. */
  get changedAt(): number {
    return this.#changedAt;
  }

  /** The newest event id there is. */
  get lastId(): number {
    return Math.max(this.#text.lastId, this.#record ? stateId(this.#record) : 0);
  }

  /** Takes a newer record into memory, and to disk unless `keep` is false. */
  setRecord(record: JobRecord, { now, keep }: { now: number; keep: boolean }): void {
    assert(!this.#record || record.sequence > this.#record.sequence, 'records only get newer');
    this.#record = record;
    if (keep) this.#writeState(now);
  }

  /** Text of a newer attempt: what the older one said is void. */
  startAttempt(fencingToken: number, now: number): void {
    assert(fencingToken > this.#fencingToken, 'fencing tokens rise');
    this.#fencingToken = fencingToken;
    this.#storage.transactionSync(() => {
      this.#writeState(now);
      this.#storage.sql.exec('DELETE FROM text_event');
    });
    this.#text = { end: 0, events: 0, bytes: 0, lastId: this.#text.lastId };
  }

  get fencingToken(): number {
    return this.#fencingToken;
  }

  /** UTF-16 units of the text so far. */
  get textEnd(): number {
    return this.#text.end;
  }

  /** Appends text that begins at `textEnd`; false when the feed is full. */
  appendText(delta: TextDelta, now: number): boolean {
    assert(delta.offset === this.#text.end, 'text is appended at its end');
    const id = this.lastId + 1;
    const dataJson = JSON.stringify(delta);
    // A UTF-16 unit is three bytes of UTF-8 at most.
    const bytes = this.#text.bytes + dataJson.length * 3;
    const events = this.#text.events + 1;
    const idEnd = (this.#record ? stateId(this.#record) : 0) + ID_STEP;
    if (events > FEED_EVENTS_MAX || bytes > FEED_BYTES_MAX || id >= idEnd) return false;
    this.#storage.sql.exec(
      'INSERT INTO text_event (id, offset, chars, at, data_json) VALUES (?, ?, ?, ?, ?)',
      id,
      delta.offset,
      delta.text.length,
      now,
      dataJson,
    );
    this.#text = { end: this.#text.end + delta.text.length, events, bytes, lastId: id };
    this.#changedAt = now;
    return true;
  }

  /** Text events after an id, at most `limit`, in order. */
  textAfter(id: number, limit: number): TextEvent[] {
    if (this.#text.lastId <= id || !this.#made) return [];
    return this.#storage.sql
      .exec<{ id: number; data_json: string }>(
        'SELECT id, data_json FROM text_event WHERE id > ? ORDER BY id LIMIT ?',
        id,
        limit,
      )
      .toArray()
      .map((row) => ({ id: row.id, dataJson: row.data_json }));
  }

  /** Deletes everything on disk; what is in memory stays good. */
  async clear(): Promise<void> {
    this.#made = false;
    this.#text = { end: 0, events: 0, bytes: 0, lastId: this.#text.lastId };
    await this.#storage.deleteAll();
  }

  /** As `clear`, and nothing stays in memory either. */
  async forget(): Promise<void> {
    await this.clear();
    this.#record = null;
  }

  #writeState(now: number): void {
    if (!this.#made) this.#storage.sql.exec(TABLES);
    this.#made = true;
    this.#changedAt = now;
    this.#storage.sql.exec(
      'INSERT OR REPLACE INTO state (one, record_json, fencing_token, at) VALUES (1, ?, ?, ?)',
      this.#record && JSON.stringify(this.#record),
      this.#fencingToken,
      now,
    );
  }

  #load(): void {
    const state = this.#storage.sql
      .exec<{ record_json: string | null; fencing_token: number; at: number }>(
        'SELECT record_json, fencing_token, at FROM state',
      )
      .toArray()[0];
    if (state) {
      this.#record =
        state.record_json === null ? null : (JSON.parse(state.record_json) as JobRecord);
      this.#fencingToken = state.fencing_token;
    }
    const text = this.#storage.sql
      .exec<{ end: number; events: number; bytes: number; lastId: number; at: number }>(
        `SELECT coalesce(max(offset + chars), 0) AS end, count(*) AS events,
                coalesce(sum(length(data_json)), 0) * 3 AS bytes,
                coalesce(max(id), 0) AS lastId, coalesce(max(at), 0) AS at FROM text_event`,
      )
      .one();
    const { end, events, bytes, lastId, at } = text;
    this.#text = { end, events, bytes, lastId };
    this.#changedAt = Math.max(at, state?.at ?? 0);
  }
}
