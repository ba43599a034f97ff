/** What the tests of server engines need: a run's folder, what it reported, and its timers. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import { assert } from '#schema/assert.ts';
import type { Progress } from '#schema/api.ts';
import type { JobSpec } from '#schema/job.ts';
import { EngineError } from '../engine.ts';
import type { Engine, RunContext, RunResult } from '../engine.ts';
import type { ServerSettings } from '../server/settings.ts';
import type { After } from '../server/watch.ts';

/** Timers of which short ones run at once, and long ones when the test says so. */
export class Timers {
  readonly #waiting = new Map<object, { readonly ms: number; readonly act: () => void }>();

  readonly after: After = (ms, act) => {
    const timer = ms <= 250 ? setTimeout(act, 1) : null;
    const own = {};
    if (!timer) this.#waiting.set(own, { ms, act });
    return () => {
      if (timer) clearTimeout(timer);
      this.#waiting.delete(own);
    };
  };

  get waiting(): number {
    return this.#waiting.size;
  }

  /** Lets those of this length run out. */
  fire(ms: number): void {
    const due = [...this.#waiting].filter(([, timer]) => timer.ms === ms);
    assert(due.length > 0, `a timer of ${ms} ms waits`);
    for (const [own, { act }] of due) {
      this.#waiting.delete(own);
      act();
    }
  }
}

export class ServerBench {
  directory = '';
  progress: Progress[] = [];
  /** Text as it came. */
  texts: string[] = [];
  said: string[] = [];
  timers = new Timers();
  abort = new AbortController();
  /** What the engine takes for the time, ms. */
  now = 0;
  /** Where the file of a job lies. */
  source = '';
  /** Looks on while a run reports. */
  onReport: () => void = () => {};

  constructor() {
    beforeEach(async () => {
      this.directory = await mkdtemp(join(tmpdir(), 'server-'));
      Object.assign(this, { progress: [], texts: [], said: [], onReport: () => {}, now: 0 });
      this.timers = new Timers();
      this.abort = new AbortController();
    });
    afterEach(() => rm(this.directory, { recursive: true }));
  }

  settings(url: URL, changes: Partial<ServerSettings> = {}): ServerSettings {
    return { url, key: null, adminKey: null, models: new Map(), ...changes };
  }

  options(url: URL, changes: Partial<ServerSettings> = {}) {
    const say = (words: string) => this.said.push(words);
    const { after } = this.timers;
    return { settings: this.settings(url, changes), say, after, now: () => this.now };
  }

  context(): RunContext {
    const { directory } = this;
    return {
      signal: this.abort.signal,
      directory,
      openInput: () => Promise.resolve(this.source),
      onProgress: (event) => {
        this.progress.push(event);
        this.onReport();
      },
      onPreview: () => expect.unreachable('words and sounds have no preview'),
      onText: (text) => {
        this.texts.push(text);
        this.onReport();
      },
    };
  }

  run(engine: Engine, spec: JobSpec): Promise<RunResult> {
    return engine.run(spec, this.context());
  }

  /** The failure of a run that must fail. */
  async failure(
    run: Promise<unknown>,
  ): Promise<{ code: string; retryable: boolean; detail: string }> {
    const error = await run.then(
      () => expect.unreachable('the run fails'),
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(EngineError);
    const { code, retryable, message } = error as EngineError;
    return { code, retryable, detail: message };
  }

  async file(name: string): Promise<string> {
    return readFile(join(this.directory, name), 'utf8');
  }
}
