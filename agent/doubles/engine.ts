/** An engine that does what a test says, when it says so. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { assert } from '#schema/assert.ts';
import type { JobSpec } from '#schema/job.ts';
import type { ModelId } from '#schema/model.ts';
import type { Engine, EngineInfo, EngineJob, RunContext, RunResult } from '../engines/engine.ts';
import { EngineError } from '../engines/engine.ts';
import type { Bell } from './clock.ts';

interface Run {
  readonly spec: JobSpec;
  readonly context: RunContext;
  readonly resolve: (result: RunResult) => void;
  readonly reject: (error: Error) => void;
}

export class TestEngine implements Engine {
  readonly name: string;
  models: readonly ModelId[];
  loaded: readonly ModelId[] = [];
  away = false;
  /** Does not stop when told to. */
  stubborn = false;
  freed = 0;
  closed = false;
  /** Jobs that it takes at once. */
  batchMax = 1;
  /** Runs so far. */
  runs = 0;
  /** What runs together now, less what ended. */
  #jobs: Run[] = [];
  readonly #bell: Bell;

  constructor(name: string, models: readonly ModelId[], bell: Bell) {
    this.name = name;
    this.models = models;
    this.#bell = bell;
  }

  discover(): Promise<EngineInfo | null> {
    return Promise.resolve(
      this.away ? null : { version: '1', models: this.models, batchMax: this.batchMax },
    );
  }

  resident(): readonly ModelId[] {
    return this.loaded;
  }

  run(spec: JobSpec, context: RunContext): Promise<RunResult> {
    return this.runBatch([{ spec, context }])[0]!;
  }

  runBatch(jobs: readonly EngineJob[]): readonly Promise<RunResult>[] {
    assert(this.#jobs.length === 0, 'an engine has one run at a time');
    assert(jobs.length <= this.batchMax, 'a batch fits the engine');
    this.runs++;
    this.loaded = jobs.map(({ spec }) => spec.model).slice(0, 1);
    const results = jobs.map(({ spec, context }) => {
      const { promise, resolve, reject } = Promise.withResolvers<RunResult>();
      const run = { spec, context, resolve, reject };
      this.#jobs.push(run);
      context.signal.addEventListener('abort', () => {
        if (!this.stubborn) this.#end(run, () => reject(new Error('stopped')));
      });
      return promise;
    });
    this.#bell.ring();
    return results;
  }

  free(): Promise<void> {
    this.freed++;
    this.loaded = [];
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }

  busy(): boolean {
    return this.#jobs.length > 0;
  }

  /** Jobs that run together now. */
  jobs(): number {
    return this.#jobs.length;
  }

  context(index = 0): RunContext {
    return this.#at(index).context;
  }

  /** Ends a job of the run, the first by default, with one picture of `bytes` and a thumbnail. */
  async finish(bytes: Uint8Array = new Uint8Array([1, 2, 3]), index = 0): Promise<void> {
    const run = this.#at(index);
    const { directory } = run.context;
    const path = join(directory, '0.png');
    const small = join(directory, '0-thumbnail.webp');
    await writeFile(path, bytes);
    await writeFile(small, new Uint8Array([9]));
    const thumbnail = { path: small, contentType: 'image/webp' } as const;
    const size = { width: 64, height: 64, durationS: null };
    const output = { path, contentType: 'image/png', ...size, thumbnail } as const;
    const result = { outputs: [output], usage: { steps: 20 }, loadMs: 5 };
    this.#end(run, () => run.resolve(result));
  }

  fail(failure: ConstructorParameters<typeof EngineError>[0]): void {
    const run = this.#at(0);
    this.#end(run, () => run.reject(new EngineError(failure)));
  }

  #at(index: number): Run {
    const run = this.#jobs[index];
    assert(run, 'a job runs');
    return run;
  }

  #end(run: Run, how: () => void): void {
    if (!this.#jobs.includes(run)) return;
    this.#jobs = this.#jobs.filter((other) => other !== run);
    how();
  }
}
