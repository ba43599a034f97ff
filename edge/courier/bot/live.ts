/**
 * What is known of jobs only while they wait or run: their place in the queue, their progress, a
 * preview. In memory alone: all of it is replaced soon, and none of it is worth a write.
 */
import type { Progress } from '#schema/api.ts';
import type { Preview } from '#schema/event.ts';
import { BOT_PLACE_MS_MAX, BOT_PLACE_MS_MIN } from '#schema/limits.ts';
import type { JobWaiting } from '#schema/record.ts';

export interface LiveView {
  readonly progress: Progress | null;
  readonly preview: Preview | null;
  readonly waiting: JobWaiting | null;
  /** There is something newer than what the message shows. */
  readonly isNewer: boolean;
  /** When the message was last edited. */
  readonly editedAt: number;
  /** When its place in the queue is to be asked for; Infinity while it does not wait. */
  readonly askAt: number;
}

const NOTHING: LiveView = {
  progress: null,
  preview: null,
  waiting: null,
  isNewer: false,
  editedAt: 0,
  askAt: Infinity,
};

/** Share of the foreseen wait after which the place is asked for again. */
const ASK_SHARE = 0.1;

/** The live views of one bot's jobs, by slot. */
export class LiveViews {
  readonly #views = new Map<string, LiveView>();
  /** No place is to be asked for before. */
  #nextAt = Infinity;

  get(slot: string): LiveView {
    return this.#views.get(slot) ?? NOTHING;
  }

  drop(slot: string): void {
    this.#views.delete(slot);
  }

  /** Newer progress takes the place of older. */
  setProgress(slot: string, progress: Progress, preview: Preview | null): void {
    const old = this.get(slot);
    this.#views.set(slot, {
      ...old,
      progress,
      preview: preview ?? old.preview,
      isNewer: true,
      askAt: Infinity,
    });
  }

  /** A job that waits from now on: its place is asked for. */
  startAsking(slot: string, now: number): void {
    const old = this.get(slot);
    if (old.askAt !== Infinity) return;
    const askAt = now + BOT_PLACE_MS_MIN;
    this.#views.set(slot, { ...old, progress: null, preview: null, askAt });
    this.#nextAt = Math.min(this.#nextAt, askAt);
  }

  /** After a start: the pause before the next question was the alarm's that started us. */
  askNow(slot: string, now: number): void {
    const view = this.#views.get(slot);
    if (!view || view.askAt === Infinity) return;
    this.#views.set(slot, { ...view, askAt: now });
    this.#nextAt = now;
  }

  stopAsking(slot: string): void {
    const old = this.#views.get(slot);
    if (old) this.#views.set(slot, { ...old, waiting: null, askAt: Infinity });
  }

  /** Its place, and so when to ask again: the longer it will wait, the more rarely. */
  setWaiting(slot: string, waiting: JobWaiting | null, now: number): void {
    const old = this.get(slot);
    const startsAt = waiting?.earliestStartAt ?? now;
    const pauseMs = Math.max(BOT_PLACE_MS_MIN, (startsAt - now) * ASK_SHARE);
    const askAt = now + Math.min(BOT_PLACE_MS_MAX, pauseMs);
    this.#views.set(slot, {
      ...old,
      waiting,
      isNewer: old.isNewer || waiting?.position !== old.waiting?.position,
      askAt,
    });
    this.#nextAt = Math.min(this.#nextAt, askAt);
  }

  /** The message was edited to show this. */
  setShown(slot: string, shown: LiveView, now: number): void {
    const old = this.get(slot);
    const isSame = old.progress === shown.progress && old.waiting === shown.waiting;
    this.#views.set(slot, { ...old, isNewer: old.isNewer && !isSame, editedAt: now });
  }

  /** Slots whose place is to be asked for now; see `nextAt`. */
  takeDue(now: number, countMax: number): string[] {
    if (now < this.#nextAt) return [];
    const slots: string[] = [];
    this.#nextAt = Infinity;
    for (const [slot, view] of this.#views) {
      if (view.askAt <= now && slots.length < countMax) {
        slots.push(slot);
        // Until there is an answer, the next question is not before this.
        this.#views.set(slot, { ...view, askAt: now + BOT_PLACE_MS_MIN });
      }
      this.#nextAt = Math.min(this.#nextAt, Math.max(this.get(slot).askAt, now + 1000));
    }
    return slots;
  }

  /** When `takeDue` may have something. */
  get nextAt(): number {
    return this.#nextAt;
  }
}
