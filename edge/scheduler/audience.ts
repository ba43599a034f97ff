/**
 * Who is told of a pool's jobs, beside their Accounts and the history: a job's Feed while someone
 * watches, the couriers of chats of every change, those of webhooks of its end.
 * One number for each such job, as its row has it; most jobs have none.
 */
import type { JobOrder } from '#schema/record.ts';
import type { Receiver } from './outbox.ts';

const WATCHED = 1;
/** A courier wants to know how it ended, */
const END = 2;
/** or all of its changes. */
const CHANGES = 4;

export class Audience {
  readonly #marks = new Map<string, number>();

  /** The mark of a new job's row. */
  static markOf({ notices }: JobOrder): number {
    if (notices.some(({ kind }) => kind === 'chat')) return CHANGES;
    return notices.length > 0 ? END : 0;
  }

  set(jobId: string, mark: number): void {
    if (mark > 0) this.#marks.set(jobId, mark);
  }

  drop(jobId: string): void {
    this.#marks.delete(jobId);
  }

  isWatched(jobId: string): boolean {
    return (this.#mark(jobId) & WATCHED) > 0;
  }

  /** Whether a chat follows the job's progress. */
  isInChat(jobId: string): boolean {
    return (this.#mark(jobId) & CHANGES) > 0;
  }

  /** Its new mark, or null when someone watched already. */
  watch(jobId: string): number | null {
    if (this.isWatched(jobId)) return null;
    const mark = this.#mark(jobId) | WATCHED;
    this.#marks.set(jobId, mark);
    return mark;
  }

  /** Who is told of a change of the job: its end, or another. */
  receivers(jobId: string, isEnd: boolean): Receiver[] {
    const mark = this.#mark(jobId);
    const receivers: Receiver[] = [];
    if ((mark & WATCHED) > 0) receivers.push('feed');
    if ((mark & CHANGES) > 0 || (isEnd && (mark & END) > 0)) receivers.push('courier');
    return receivers;
  }

  #mark(jobId: string): number {
    return this.#marks.get(jobId) ?? 0;
  }
}
