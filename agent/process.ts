/**
 * One engine process: started by the operator's command when it is wanted, watched, stopped with
 * all that it started. When to do what, process/life.ts decides; this performs it, in turn, with
 * the clock's time. What it writes goes to a bounded file. It ends with the agent, however that
 * ends (process/keeper.ts). A question (`probe`) tells whether it is there; it is given.
 */
import { assert } from '#schema/assert.ts';
import type { Clock } from './clock.ts';
import type { Log } from './log.ts';
import type { Journal } from './process/journal.ts';
import { keep } from './process/keeper.ts';
import type { Kept } from './process/keeper.ts';
import { createLife, isAlive, step, wakeAt } from './process/life.ts';
import type { Life, LifeAction, LifeEvent, LifeNews } from './process/life.ts';
import { GONE_MS_MAX, PROBE_MS, PROBE_MS_MAX } from './process/limits.ts';

export interface ProcessParts {
  /** The engine's name. */
  readonly name: string;
  /** A line of shell. */
  readonly command: string;
  readonly startMs: number;
  /** Its whole environment: none of the agent's secrets. */
  readonly env: Readonly<Record<string, string>>;
  readonly journal: Journal;
  /** Whether the engine answers; may reject. */
  readonly probe: (signal: AbortSignal) => Promise<boolean>;
  readonly clock: Clock;
  /** A number in [0, 1). */
  readonly random: () => number;
  readonly log: Log;
  /** It came up, or went away. */
  readonly onChange?: () => void;
}

/** Its process could not be had; `words` are its last. */
export class ProcessFailure extends Error {}

interface Wait {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class EngineProcess {
  readonly #parts: ProcessParts;
  #life: Life;
  #kept: Kept | null = null;
  /** Those who wait for it to be up. */
  readonly #waits = new Set<Wait>();
  /** Those who wait for it to be gone. */
  readonly #leavers = new Set<() => void>();
  /** Of the process that runs; aborts when that is gone. */
  #presence = new AbortController();
  /** Why we end the process that runs; null while we do not, or only because it is not needed. */
  #cause: string | null = null;
  #cancelWake = () => {};
  #cancelProbe = () => {};
  #closed = false;

  constructor(parts: ProcessParts) {
    this.#parts = parts;
    this.#life = createLife(parts.startMs);
  }

  get isUp(): boolean {
    return this.#life.phase.name === 'up';
  }

  get isAlive(): boolean {
    return isAlive(this.#life);
  }

  /** Whether there is a process, or will be by itself: it may hold memory any time. */
  get holds(): boolean {
    return this.isAlive || this.#life.wanted;
  }

  /** Whether it failed so often that it is left alone. */
  get isOut(): boolean {
    const { phase } = this.#life;
    return phase.name === 'resting' && phase.out;
  }

  /** Of its group, while there is one. */
  get pid(): number | null {
    return (this.isAlive && this.#kept?.pid) || null;
  }

  /** Aborts when the process of now is gone. */
  get presence(): AbortSignal {
    return this.#presence.signal;
  }

  /** The end of what it wrote. */
  get words(): string {
    return this.#parts.journal.words;
  }

  /** What is wrong with it, for the operator; null when nothing is. */
  get trouble(): string | null {
    const { phase } = this.#life;
    if (phase.name !== 'resting') return null;
    const inS = Math.max(0, Math.ceil((phase.until - this.#parts.clock.now()) / 1000));
    return `${phase.out ? 'it keeps failing; ' : 'it failed; '}started again in ${inS} s`;
  }

  /** Resolves when it is up; rejects with the signal's reason, or when it fails to come up. */
  async up(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    assert(!this.#closed, 'a closed process is not started');
    if (this.isOut) throw this.#failure('keeps failing and is left alone for a while');
    this.#dispatch({ type: 'want' });
    if (this.isUp) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const wait: Wait = { resolve, reject };
    const abort = () => reject(signal.reason as Error);
    this.#waits.add(wait);
    signal.addEventListener('abort', abort, { once: true });
    try {
      await promise;
    } finally {
      this.#waits.delete(wait);
      signal.removeEventListener('abort', abort);
    }
  }

  /** It was asked while it had nothing to do. */
  heard(answered: boolean): void {
    this.#dispatch({ type: answered ? 'answered' : 'silent' });
  }

  /** It does not let go of a job: killed. */
  wedge(): void {
    this.#dispatch({ type: 'wedged' });
  }

  /** Ends it; resolves when it is gone with all that it started, or cannot be ended. */
  async stop(): Promise<void> {
    this.#dispatch({ type: 'unwant' });
    if (!this.isAlive) return;
    const { clock, log, name } = this.#parts;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#leavers.add(resolve);
    const cancel = clock.after(GONE_MS_MAX, () => {
      log.error('engine.stuck', { engine: name, pid: this.pid, waitedMs: GONE_MS_MAX });
      resolve();
    });
    await promise;
    cancel();
    this.#leavers.delete(resolve);
  }

  /** As `stop`; it is never started again. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.stop();
    this.#cancelWake();
    await this.#parts.journal.settled();
  }

  #dispatch(event: LifeEvent): void {
    const { clock, random } = this.#parts;
    const { life, actions } = step(this.#life, event, { at: clock.now(), random: random() });
    this.#life = life;
    for (const action of actions) this.#perform(action);
    this.#cancelWake();
    const at = wakeAt(this.#life);
    if (at === null || (this.#closed && !this.isAlive)) return;
    this.#cancelWake = clock.after(Math.max(0, at - clock.now()), () =>
      this.#dispatch({ type: 'tick' }),
    );
  }

  #perform(action: LifeAction): void {
    switch (action.do) {
      case 'spawn':
        this.#spawn();
        return;
      case 'signal':
        this.#kept?.signal(action.signal);
        return;
      case 'tell':
        this.#tell(action.what);
    }
  }

  #spawn(): void {
    const { name, command, env, journal, log } = this.#parts;
    journal.begin(`\n--- ${new Date(this.#parts.clock.wall()).toISOString()} ${name} starts\n`);
    this.#presence = new AbortController();
    this.#cause = null;
    const kept = keep(command, { env, onWords: (bytes) => journal.write(bytes) });
    this.#kept = kept;
    log.info('engine.start', { engine: name, pid: kept.pid ?? null });
    void kept.over.then((end) => {
      this.#cancelProbe();
      const what = this.#cause === null ? `ended: ${end}` : `${this.#cause}, and was ended: ${end}`;
      this.#presence.abort(this.#failure(what));
      this.#dispatch({ type: 'exited' });
    });
    this.#probeSoon(kept);
  }

  #probeSoon(kept: Kept): void {
    this.#cancelProbe = this.#parts.clock.after(PROBE_MS, () => void this.#probe(kept));
  }

  async #probe(kept: Kept): Promise<void> {
    const within = AbortSignal.any([this.presence, AbortSignal.timeout(PROBE_MS_MAX)]);
    // Not there yet, in whatever words.
    const answered = await this.#parts.probe(within).catch(() => false);
    if (this.#kept !== kept || this.#life.phase.name !== 'starting') return;
    if (answered) this.#dispatch({ type: 'answered' });
    else this.#probeSoon(kept);
  }

  #tell(what: LifeNews): void {
    const { name, log, onChange, startMs } = this.#parts;
    switch (what) {
      case 'up':
        log.info('engine.ready', { engine: name });
        for (const { resolve } of this.#waits) resolve();
        onChange?.();
        return;
      case 'late':
        this.#cause = `did not answer in ${Math.round(startMs / 1000)} s`;
        log.warn('engine.late', { engine: name, waitedMs: startMs, words: this.words });
        return;
      case 'hung':
        this.#cause = 'hung';
        log.warn('engine.hung', { engine: name, words: this.words });
        return;
      case 'crashed': {
        const failure = this.#presence.signal.reason as Error;
        log.warn('engine.crash', { engine: name, detail: failure.message });
        for (const { reject } of this.#waits) reject(failure);
        this.#leave();
        onChange?.();
        return;
      }
      case 'out':
        log.error('engine.out', { engine: name, help: 'see its log; its models are withdrawn' });
        return;
      case 'down':
        log.info('engine.stop', { engine: name });
        this.#leave();
    }
  }

  #leave(): void {
    for (const leave of this.#leavers) leave();
  }

  #failure(what: string): ProcessFailure {
    return new ProcessFailure(`${this.#parts.name} ${what}\n${this.words}`.trim());
  }
}
