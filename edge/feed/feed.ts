/**
 * The Feed object, one per job: its live events, for any number of readers up to
 * FEED_READERS_MAX, resumable after a lost connection.
 * A reader is a cursor over event ids, not a queue: one that is slow falls behind and costs no
 * memory. The newest progress and preview live in memory only and reach each reader once.
 * Sets no timer, only an alarm: it deletes everything FEED_KEEP_MS after the job's end, or after
 * nothing happened for longer than a job can run.
 */
import { DurableObject, RpcTarget } from 'cloudflare:workers';
import type { Progress } from '#schema/api.ts';
import type { Preview, TextDelta } from '#schema/event.ts';
import { isTerminal } from '#schema/job.ts';
import {
  FEED_BACKLOG_MAX,
  FEED_KEEP_MS,
  FEED_READERS_MAX,
  JOB_RUN_MS_MAX,
} from '#schema/limits.ts';
import type { JobRecord } from '#schema/record.ts';
import { parseEnv } from '../env.ts';
import type { Bindings } from '../env.ts';
import type { FeedObject, Subscription } from '../rpc/feed.ts';
import { viewJob } from '../services/view-job.ts';
import { FeedStore, stateId } from './store.ts';

/** A feed that was never told of its job's end is forgotten after this much silence. */
const SILENCE_MS = JOB_RUN_MS_MAX + FEED_KEEP_MS;

interface Reader {
  readonly origin: string;
  /** Every event up to this id was sent. */
  sentId: number;
  /** Number of the newest progress that was sent. */
  progressSeen: number;
  wake: (() => void) | null;
}

/**
 * A reader's place. A client that is gone shows here and nowhere else: the platform tells a
 * stream's source only when it next writes.
 */
class Place extends RpcTarget {
  readonly #leave: () => void;

  constructor(leave: () => void) {
    super();
    this.#leave = leave;
  }

  [Symbol.dispose](): void {
    this.#leave();
  }
}

export class Feed extends DurableObject<Bindings> implements FeedObject {
  readonly #signingKey: string;
  readonly #store: FeedStore;
  readonly #readers = new Set<Reader>();
  #progress: { number: number; progress: Progress; preview: Preview | null } | null = null;
  #progressCount = 0;
  /** Rises with every event, so that a reader about to wait sees that it need not. */
  #version = 0;

  constructor(ctx: DurableObjectState, bindings: Bindings) {
    super(ctx, bindings);
    this.#signingKey = parseEnv(bindings).signingKey;
    this.#store = new FeedStore(ctx.storage);
  }

  async publish(record: JobRecord): Promise<void> {
    await this.#accept(record, true);
  }

  async progress(progress: Progress, preview: Preview | null): Promise<void> {
    if (this.#ended()) return;
    this.#progressCount += 1;
    this.#progress = { number: this.#progressCount, progress, preview };
    this.#wakeAll();
  }

  async text(fencingToken: number, delta: TextDelta): Promise<boolean> {
    const store = this.#store;
    if (this.#ended() || fencingToken < store.fencingToken) return true;
    if (fencingToken > store.fencingToken) {
      if (delta.offset > 0) return false;
      store.startAttempt(fencingToken, Date.now());
      await this.#setAlarm();
    }
    const end = store.textEnd;
    if (delta.offset > end) return false;
    const text = delta.text.slice(end - delta.offset);
    if (text !== '' && store.appendText({ offset: end, text }, Date.now())) this.#wakeAll();
    return true;
  }

  async subscribe({
    record,
    lastEventId,
    origin,
  }: {
    record: JobRecord;
    lastEventId: number;
    origin: string;
  }): Promise<Subscription | null> {
    if (this.#readers.size >= FEED_READERS_MAX) return null;
    // A job that has ended needs no storage of its own: the history has it.
    await this.#accept(record, this.#store.isStored || !isTerminal(record.status));
    // An id from nowhere would wait for ever; such a reader starts anew.
    const sentId = lastEventId > this.#store.lastId ? 0 : lastEventId;
    const reader = { origin, sentId, progressSeen: 0, wake: null };
    return { events: this.#open(reader), place: new Place(() => this.#leave(reader)) };
  }

  async forget(): Promise<void> {
    this.#progress = null;
    await this.#store.forget();
    await this.ctx.storage.deleteAlarm();
  }

  override async alarm(): Promise<void> {
    if (this.#ended() || Date.now() >= this.#store.changedAt + SILENCE_MS) {
      await this.#store.clear();
    } else {
      await this.#setAlarm();
    }
  }

  async #accept(record: JobRecord, keep: boolean): Promise<void> {
    const known = this.#store.record;
    if (known && record.sequence <= known.sequence) return;
    if (record.status !== 'running' || record.attempt !== known?.attempt) this.#progress = null;
    this.#store.setRecord(record, { now: Date.now(), keep });
    this.#wakeAll();
    await this.#setAlarm();
  }

  async #setAlarm(): Promise<void> {
    if (!this.#store.isStored) return;
    const keepMs = this.#ended() ? FEED_KEEP_MS : SILENCE_MS;
    await this.ctx.storage.setAlarm(this.#store.changedAt + keepMs);
  }

  #ended(): boolean {
    const { record } = this.#store;
    return record !== null && isTerminal(record.status);
  }

  #wakeAll(): void {
    this.#version += 1;
    for (const reader of this.#readers) {
      reader.wake?.();
      reader.wake = null;
    }
  }

  #open(reader: Reader): ReadableStream<Uint8Array> {
    this.#readers.add(reader);
    const encoder = new TextEncoder();
    return new ReadableStream({
      type: 'bytes',
      pull: async (controller) => {
        const text = await this.#next(reader);
        if (text !== null) {
          controller.enqueue(encoder.encode(text));
          return;
        }
        this.#readers.delete(reader);
        controller.close();
        controller.byobRequest?.respond(0);
      },
      cancel: () => this.#leave(reader),
    });
  }

  #leave(reader: Reader): void {
    this.#readers.delete(reader);
    // Ends its stream, so that nothing keeps the object awake for a reader that is gone.
    reader.wake?.();
    reader.wake = null;
  }

  /** The next events for a reader, or null when there will be none; waits for either. */
  async #next(reader: Reader): Promise<string | null> {
    while (this.#readers.has(reader)) {
      const version = this.#version;
      const text = (await this.#takeEvents(reader)) + this.#takeProgress(reader);
      if (text !== '') return text;
      if (this.#ended()) return null;
      if (version !== this.#version) continue;
      await new Promise<void>((resolve) => {
        reader.wake = resolve;
      });
    }
    return null;
  }

  async #takeEvents(reader: Reader): Promise<string> {
    const { record } = this.#store;
    const state = record && stateId(record) > reader.sentId ? record : null;
    const texts = this.#store.textAfter(reader.sentId, FEED_BACKLOG_MAX);
    const isWhole = texts.length < FEED_BACKLOG_MAX;
    const events = texts.map(({ id, dataJson }) => ({ id, text: toSse('text', { id, dataJson }) }));
    // A state after text that is still to be read waits for its turn.
    if (state && (isWhole || stateId(state) < texts.at(-1)!.id)) {
      const id = stateId(state);
      const dataJson = await this.#viewJson(state, reader.origin);
      events.push({ id, text: toSse('state', { id, dataJson }) });
      events.sort((a, b) => a.id - b.id);
    }
    reader.sentId = events.at(-1)?.id ?? reader.sentId;
    return events.map(({ text }) => text).join('');
  }

  #takeProgress(reader: Reader): string {
    const newest = this.#progress;
    if (!newest || newest.number <= reader.progressSeen || this.#ended()) return '';
    reader.progressSeen = newest.number;
    const { progress, preview } = newest;
    const told = toSse('progress', { dataJson: JSON.stringify(progress) });
    return preview ? told + toSse('preview', { dataJson: JSON.stringify(preview) }) : told;
  }

  async #viewJson(record: JobRecord, origin: string): Promise<string> {
    const progress = this.#progress?.progress ?? null;
    const context = { signingKey: this.#signingKey, origin, now: Date.now() };
    return JSON.stringify(await viewJob({ record, progress, waiting: null }, context));
  }
}

/** One server-sent event; JSON holds no line ends, so one data line is enough. */
function toSse(event: string, { id, dataJson }: { id?: number; dataJson: string }): string {
  const first = id === undefined ? '' : `id: ${id}\n`;
  return `${first}event: ${event}\ndata: ${dataJson}\n\n`;
}
