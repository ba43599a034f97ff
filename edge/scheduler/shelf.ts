/**
 * Ended jobs that only Postgres still lacks, put out of memory when there are many: while it is
 * away for hours the index must not grow with all that ends. Their rows stay as they are, found
 * by id through a table of this shelf's own, and go to Postgres in pages once it is back.
 */
import { RECORD_BATCH_MAX, RECORD_BATCH_BYTES_MAX } from '#schema/limits.ts';
import type { JobRecord } from '#schema/record.ts';
import type { LiveEntry } from '../core/state.ts';
import { Drain } from '../io/drain.ts';
import { logError } from '../io/log.ts';
import type { Bodies } from './body.ts';
import { ENTRY_COLUMNS, toEntry } from './row.ts';
import type { JobRow } from './row.ts';

const TABLE = `
  CREATE TABLE IF NOT EXISTS shelf (id TEXT PRIMARY KEY, place INTEGER NOT NULL) WITHOUT ROWID`;

interface Shelved {
  readonly place: number;
  readonly record: JobRecord;
}

/** The shelf of one pool; see above. */
export class Shelf {
  readonly #sql: SqlStorage;
  readonly #bodies: Bodies;
  readonly #remove: (place: number) => void;
  #size: number;

  /** `remove` deletes a job's row. */
  constructor(sql: SqlStorage, bodies: Bodies, remove: (place: number) => void) {
    this.#sql = sql;
    this.#bodies = bodies;
    this.#remove = remove;
    this.#sql.exec(TABLE);
    this.#size = this.#sql.exec<{ size: number }>('SELECT count(*) AS size FROM shelf').one().size;
  }

  get size(): number {
    return this.#size;
  }

  put({ id, place }: LiveEntry): void {
    this.#sql.exec('INSERT INTO shelf (id, place) VALUES (?, ?)', id, place);
    this.#bodies.drop(place);
    this.#size += 1;
  }

  /** The record of a job on the shelf, or null. */
  find(jobId: string): JobRecord | null {
    if (this.#size === 0) return null;
    return this.#read('WHERE shelf.id = ?', jobId)[0]?.record ?? null;
  }

  /** Takes the shelf to Postgres, page by page. */
  makeDrain(deliver: (records: readonly JobRecord[]) => Promise<void>): Drain<Shelved> {
    const source = {
      next: () => this.#page(),
      deliver: (page: readonly Shelved[]) => deliver(page.map(({ record }) => record)),
      remove: (page: readonly Shelved[]) => this.#clear(page),
      onFailure: (error: unknown) => logError('shelf.fail', error),
    };
    return new Drain(source, this.#size > 0);
  }

  #page(): Shelved[] {
    if (this.#size === 0) return [];
    return this.#read('ORDER BY shelf.id LIMIT ?', RECORD_BATCH_MAX);
  }

  #read(clause: string, value: SqlStorageValue): Shelved[] {
    const rows = this.#sql.exec<JobRow>(
      `SELECT ${ENTRY_COLUMNS} FROM job JOIN shelf USING (place, id) ${clause}`,
      value,
    );
    const found: Shelved[] = [];
    let bytes = 0;
    for (const row of rows.toArray()) {
      const { record, bytes: size } = this.#bodies.record(toEntry(row, 0));
      this.#bodies.drop(row.place);
      bytes += size;
      if (bytes > RECORD_BATCH_BYTES_MAX && found.length > 0) break;
      found.push({ place: row.place, record });
    }
    return found;
  }

  #clear(page: readonly Shelved[]): void {
    for (const { place, record } of page) {
      this.#sql.exec('DELETE FROM shelf WHERE id = ?', record.id);
      this.#remove(place);
    }
    this.#size -= page.length;
  }
}
