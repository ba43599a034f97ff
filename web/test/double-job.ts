/**
 * A job of the double: waits, loads, runs its steps, ends. It keeps its numbered events, so that
 * a reader can resume after any of them; progress and previews are sent to whoever listens.
 */
import { createHash } from 'node:crypto';
import { JobView } from '#schema/api.ts';
import type { Progress } from '#schema/api.ts';
import { JobEvent } from '#schema/event.ts';
import { isTerminal } from '#schema/job.ts';
import type { ErrorCode } from '#schema/error.ts';
import type { ImageSpec } from '#schema/job.ts';
import { quoteMillitokens, toTokens } from '#schema/price.ts';
import { MEDIA_URL_MS } from '#schema/limits.ts';
import { drawPicture, drawPreview } from './picture.ts';

/** How fast the double's jobs go, ms, and how they end. */
export interface JobPace {
  queueMs: number;
  loadMs: number;
  stepMs: number;
  failWith: ErrorCode | null;
}

type Listener = (event: JobEvent, id: number | null) => void;

export class DoubleJob {
  readonly #spec: ImageSpec;
  readonly #baseUrl: string;
  readonly #pace: JobPace;
  readonly #states: { id: number; event: JobEvent }[] = [];
  readonly #listeners = new Set<Listener>();
  readonly #stop = new AbortController();
  #view: JobView;
  #newestPreview: JobEvent | null = null;
  picture: Buffer | null = null;

  constructor(id: string, spec: ImageSpec, world: { baseUrl: string; pace: JobPace }) {
    this.#spec = spec;
    this.#baseUrl = world.baseUrl;
    this.#pace = world.pace;
    this.#view = JobView.parse({
      id,
      type: 'image',
      status: 'created',
      sequence: 0,
      model: spec.model,
      created_at: new Date().toISOString(),
      started_at: null,
      finished_at: null,
      progress: null,
      queue: null,
      cost: { held: toTokens(quoteMillitokens(spec)), settled: null },
      attempt: 0,
      cancel_requested: false,
      parameters: { ...spec },
      metadata: {},
      artifacts: [],
      error: null,
    } satisfies JobView);
    this.#record();
  }

  get view(): JobView {
    return this.#view;
  }

  /** Replays what came after `lastEventId`, then sends what comes; gives the way to stop. */
  listen(lastEventId: number, listener: Listener): () => void {
    for (const { id, event } of this.#states) if (id > lastEventId) listener(event, id);
    if (this.#newestPreview) listener(this.#newestPreview, null);
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async run(): Promise<void> {
    const soon = (ms: number) => new Date(Date.now() + ms).toISOString();
    this.#change({
      status: 'queued',
      queue: {
        position: 2,
        ahead: { admin: 0, pro: 1, starter: 0, free: 0 },
        ahead_s: { admin: 0, pro: 6, starter: 0, free: 0 },
        model_state: 'resident',
        agents: 1,
        reason: 'One job of your own tier arrived earlier and runs first.',
        estimate: { earliest_at: soon(4000), latest_at: soon(9000) },
      },
    });
    if (!(await this.#wait(this.#pace.queueMs))) return;
    this.#change({
      status: 'running',
      queue: null,
      attempt: 1,
      started_at: new Date().toISOString(),
      progress: { fraction: 0, stage: 'loading', step: null, steps: null },
    });
    const picture = await drawPicture(this.#spec, this.#spec.seed);
    if (!(await this.#wait(this.#pace.loadMs))) return;
    for (let step = 1; step <= this.#spec.steps; step += 1) {
      const fraction = step / this.#spec.steps;
      this.#send({ event: 'progress', data: this.#progress('running', step) });
      if (step % 4 === 1) await this.#sendPreview(picture, fraction);
      if (!(await this.#wait(this.#pace.stepMs))) return;
    }
    if (this.#pace.failWith) this.#fail(this.#pace.failWith);
    else this.#complete(picture);
  }

  cancel(): 'cancelled' | 'cancel_requested' | 'already_finished' {
    if (isTerminal(this.#view.status)) return 'already_finished';
    const wasRunning = this.#view.status === 'running';
    this.#stop.abort();
    this.#change({
      status: 'cancelled',
      queue: null,
      finished_at: new Date().toISOString(),
      cost: { ...this.#view.cost, settled: wasRunning ? this.#view.cost.held / 4 : 0 },
    });
    return wasRunning ? 'cancel_requested' : 'cancelled';
  }

  #complete(picture: Buffer): void {
    this.picture = picture;
    this.#change({
      status: 'completed',
      finished_at: new Date().toISOString(),
      progress: this.#progress('uploading', this.#spec.steps),
      cost: { ...this.#view.cost, settled: this.#view.cost.held },
      artifacts: [
        {
          url: `${this.#baseUrl}/media/${this.#view.id}/0.png?signature=test`,
          url_expires_at: new Date(Date.now() + MEDIA_URL_MS).toISOString(),
          content_type: 'image/png',
          bytes: picture.length,
          sha256: createHash('sha256').update(picture).digest('hex'),
          width: this.#spec.width,
          height: this.#spec.height,
          duration_s: null,
          thumbnail_url: null,
        },
      ],
    });
  }

  #fail(code: ErrorCode): void {
    this.#change({
      status: 'failed',
      finished_at: new Date().toISOString(),
      cost: { ...this.#view.cost, settled: 0 },
      error: { code, message: 'The GPU ran out of memory at this size' },
    });
  }

  #progress(stage: Progress['stage'], step: number): Progress {
    const { steps } = this.#spec;
    return { fraction: step / steps, stage, step, steps };
  }

  async #sendPreview(picture: Buffer, fraction: number): Promise<void> {
    const webp = await drawPreview(picture, fraction);
    const data = { content_type: 'image/webp', data: webp.toString('base64') } as const;
    this.#newestPreview = { event: 'preview', data };
    this.#send(this.#newestPreview);
  }

  #change(part: Partial<JobView>): void {
    this.#view = JobView.parse({ ...this.#view, ...part, sequence: this.#view.sequence + 1 });
    this.#record();
  }

  #record(): void {
    const event = JobEvent.parse({ event: 'state', data: this.#view });
    const id = this.#states.length + 1;
    this.#states.push({ id, event });
    for (const listener of this.#listeners) listener(event, id);
  }

  #send(event: JobEvent): void {
    JobEvent.parse(event);
    for (const listener of this.#listeners) listener(event, null);
  }

  /** Whether the job goes on after `ms`. */
  #wait(ms: number): Promise<boolean> {
    return new Promise((resolve) => {
      setTimeout(() => resolve(!this.#stop.signal.aborted), ms);
    });
  }
}
