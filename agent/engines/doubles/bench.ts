/** What every engine's test needs: a folder for each run, and what the engine reported. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect } from 'vitest';
import type { Progress } from '#schema/api.ts';
import type { Preview } from '#schema/event.ts';
import type { JobSpec } from '#schema/job.ts';
import type { Engine, RunContext, RunResult } from '../engine.ts';

/** One engine under test; call where its file's tests are described. Text is never expected. */
export class EngineBench<Spec extends JobSpec> {
  readonly engine: Engine;
  readonly #spec: Spec;
  readonly #isPicture: boolean;
  directory = '';
  progress: Progress[] = [];
  previews: Preview[] = [];

  /** `spec` is what runs, less what a test changes. */
  constructor(engine: Engine, spec: Spec) {
    this.engine = engine;
    this.#spec = spec;
    this.#isPicture = spec.type === 'image' || spec.type === 'video';
    beforeEach(async () => {
      this.directory = await mkdtemp(join(tmpdir(), `${engine.name}-`));
      this.progress = [];
      this.previews = [];
    });
    afterEach(() => rm(this.directory, { recursive: true }));
    afterAll(() => engine.close());
  }

  contextOf(signal: AbortSignal, onStep?: (step: number) => void): RunContext {
    return {
      signal,
      directory: this.directory,
      openInput: (file) => Promise.resolve(join(this.directory, file)),
      onProgress: (event) => {
        this.progress.push(event);
        onStep?.(event.step ?? 0);
      },
      onPreview: (preview) => {
        if (!this.#isPicture) expect.unreachable('a sound has no preview');
        this.previews.push(preview);
      },
      onText: () => expect.unreachable('this engine writes no text'),
    };
  }

  run(changes: Partial<Spec> = {}): Promise<RunResult> {
    const spec = { ...this.#spec, ...changes };
    return this.engine.run(spec, this.contextOf(new AbortController().signal));
  }
}
