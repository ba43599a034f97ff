/** One driver of a server under test: for each test a fresh double, and an engine that asks it. */
import { afterEach, beforeEach } from 'vitest';
import { assert } from '#schema/assert.ts';
import type { JobSpec } from '#schema/job.ts';
import type { Engine, EngineInfo, RunResult } from '../engine.ts';
import type { ServerOptions } from '../server/engine.ts';
import type { ServerSettings } from '../server/settings.ts';
import type { HttpDouble } from './http-double.ts';
import { ServerBench } from './server-bench.ts';

interface Subject<Double, Spec> {
  /** A server as it is before a test changes it. */
  readonly double: () => Double;
  readonly create: (options: ServerOptions) => Engine;
  /** What runs, less what a test changes. */
  readonly spec: Spec;
}

export class DriverBench<Double extends HttpDouble, Spec extends JobSpec> extends ServerBench {
  readonly #subject: Subject<Double, Spec>;
  #double: Double | null = null;
  #engine: Engine | null = null;
  url = new URL('http://127.0.0.1');

  constructor(subject: Subject<Double, Spec>) {
    super();
    this.#subject = subject;
    beforeEach(async () => {
      this.#double = subject.double();
      this.#engine = null;
      this.url = await this.#double.start();
    });
    afterEach(async () => {
      await this.#engine?.close();
      await this.double.stop();
    });
  }

  get double(): Double {
    assert(this.#double !== null, 'a test runs');
    return this.#double;
  }

  get engine(): Engine {
    this.#engine ??= this.#create({});
    return this.#engine;
  }

  /** Makes the engine anew, and asks what it has. */
  readonly open = (changes: Partial<ServerSettings> = {}): Promise<EngineInfo | null> => {
    this.#engine = this.#create(changes);
    return this.#engine.discover(new AbortController().signal);
  };

  readonly perform = (changes: Partial<Spec> = {}): Promise<RunResult> =>
    this.run(this.engine, { ...this.#subject.spec, ...changes });

  #create(changes: Partial<ServerSettings>): Engine {
    return this.#subject.create(this.options(this.url, changes));
  }
}
