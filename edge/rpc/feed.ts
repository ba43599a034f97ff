/** The Feed object as its callers see it over RPC. */
import type { Progress } from '#schema/api.ts';
import type { Preview, TextDelta } from '#schema/event.ts';
import type { JobRecord } from '#schema/record.ts';

/** One job's live events. */
export interface FeedObject {
  /** Idempotent on the record's sequence. */
  publish(record: JobRecord): Promise<void>;
  progress(progress: Progress, preview: Preview | null): Promise<void>;
  /** Appends text at its offset; a repeat changes nothing. False when a part before it is missing. */
  text(fencingToken: number, delta: TextDelta): Promise<boolean>;
  /** Its owner deleted the job: nothing of it is kept. */
  forget(): Promise<void>;
  /**
   * Server-sent events after `lastEventId` (0 = from the start), then live ones until the job
   * ends. `record` is the caller's knowledge, used when it is newer; `origin` is that of the
   * result's URLs. Null when there are too many readers.
   */
  subscribe(reader: {
    record: JobRecord;
    lastEventId: number;
    origin: string;
  }): Promise<Subscription | null>;
}

/** A reader's events, and its place among the readers: to be disposed of when it has left. */
export interface Subscription {
  readonly events: ReadableStream<Uint8Array>;
  /** The platform disposes of it too when the request that holds it ends. */
  readonly place: { [Symbol.dispose](): void };
}
