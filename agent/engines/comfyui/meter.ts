/**
 * How far a prompt is, from its events: the sampler's steps are the job's, what comes before is
 * loading, what comes after fills the rest. The fraction never falls. Also tells what loading
 * took: the time until the first step, less what a step takes.
 */
import type { Progress } from '#schema/api.ts';
import type { ComfyEvent } from './frame.ts';

/** Share of a job that is its sampler's, by whether an upscaler follows. */
const SAMPLED = 0.97;
const SAMPLED_BEFORE_UPSCALE = 0.8;

export interface MeterParts {
  readonly sampler: string;
  /** Steps that the job asks for; null when the workflow decides. */
  readonly steps: number | null;
  readonly upscales: boolean;
  /** Whether the model was loaded before. */
  readonly resident: boolean;
  readonly now: () => number;
  readonly onProgress: (progress: Progress) => void;
}

export class Meter {
  readonly #parts: MeterParts;
  #startedAt: number | null = null;
  /** Steps of the sampler that were heard of: the first and the last. */
  #first: { readonly at: number; readonly value: number } | null = null;
  #last: { readonly at: number; readonly value: number } | null = null;
  #fraction = 0;
  #step: number | null;
  #steps: number | null;

  constructor(parts: MeterParts) {
    this.#parts = parts;
    this.#steps = parts.steps;
    this.#step = parts.steps === null ? null : 0;
    this.#tell();
  }

  /** Steps of the job that are done. */
  get steps(): number {
    return this.#step ?? 0;
  }

  take(event: ComfyEvent): void {
    const { sampler, upscales, now, steps } = this.#parts;
    if (event.kind === 'started') this.#startedAt = now();
    if (event.kind !== 'progress') return;
    const { node, value, max } = event;
    const share = upscales ? SAMPLED_BEFORE_UPSCALE : SAMPLED;
    if (node === sampler) {
      if (value < 1) return;
      this.#last = { at: now(), value };
      this.#first ??= this.#last;
      this.#steps = steps ?? Math.round(max);
      this.#step = Math.round((value / max) * this.#steps);
      this.#fraction = Math.max(this.#fraction, (value / max) * share);
    } else {
      if (!this.#last) return;
      const rest = (value / max) * (1 - share) * 0.99;
      this.#fraction = Math.max(this.#fraction, share + rest);
    }
    this.#tell();
  }

  /** Milliseconds of loading; 0 when the model was there, or nothing was heard. */
  loadMs(): number {
    if (this.#parts.resident || this.#startedAt === null || !this.#first || !this.#last) return 0;
    const steps = this.#last.value - this.#first.value;
    const stepMs = steps > 0 ? (this.#last.at - this.#first.at) / steps : 0;
    return Math.max(0, this.#first.at - this.#startedAt - stepMs * this.#first.value);
  }

  #tell(): void {
    const { resident, onProgress } = this.#parts;
    const stage = resident || this.#first ? 'running' : 'loading';
    onProgress({ fraction: this.#fraction, stage, step: this.#step, steps: this.#steps });
  }
}
