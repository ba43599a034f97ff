/** An engine that does what a test says, when it says so. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { assert } from '#schema/assert.ts';
import type { JobSpec } from '#schema/job.ts';
import type { ModelId } from '#schema/model.ts';
import type { Engine, EngineInfo, RunContext, RunResult } from '../engines/engine.ts';
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
  /** Runs so far. */
  runs = 0;
  #run: Run | null = null;
  readonly #bell: Bell;

  constructor(name: string, models: readonly ModelId[], bell: Bell) {
    this.name = name;
    this.models = models;
    this.#bell = bell;
  }

  discover(): Promise<EngineInfo | null> {
    return Promise.resolve(this.away ? null : { version: '1', models: this.models });
  }

  resident(): readonly ModelId[] {
    return this.loaded;
  }

  run(spec: JobSpec, context: RunContext): Promise<RunResult> {
    assert(!this.#run, 'an engine runs one job at a time');
    this.runs++;
    this.loaded = [spec.model];
    return new Promise((resolve, reject) => {
      this.#run = { spec, context, resolve, reject };
      context.signal.addEventListener('abort', () => {
        if (!this.stubborn) this.#end((run) => run.reject(new Error('stopped')));
      });
      this.#bell.ring();
    });
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
    return this.#run !== null;
  }

  context(): RunContext {
    assert(this.#run, 'a job runs');
    return this.#run.context;
  }

  /** Ends the run with one picture of `bytes` and a thumbnail. */
  async finish(bytes: Uint8Array = new Uint8Array([1, 2, 3])): Promise<void> {
    const { directory } = this.context();
    const path = join(directory, '0.png');
    const small = join(directory, '0-thumbnail.webp');
    await writeFile(path, bytes);
    await writeFile(small, new Uint8Array([9]));
    const thumbnail = { path: small, contentType: 'image/webp' } as const;
    const size = { width: 64, height: 64, durationS: null };
    const output = { path, contentType: 'image/png', ...size, thumbnail } as const;
    this.#end((run) => run.resolve({ outputs: [output], usage: { steps: 20 }, loadMs: 5 }));
  }

  fail(failure: ConstructorParameters<typeof EngineError>[0]): void {
    this.#end((run) => run.reject(new EngineError(failure)));
  }

  #end(how: (run: Run) => void): void {
    const run = this.#run;
    if (!run) return;
    this.#run = null;
    how(run);
  }
}
