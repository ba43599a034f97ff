/**
 * Performs what the session wants, and tells it what came of it: calls, runs, uploads, the spool.
 * All decisions are the session's; events reach it one at a time, each with the clock's time.
 * A lease's work hangs on one AbortSignal. An engine that does not stop when told to ends the
 * agent, since its GPU cannot be trusted any more; a supervisor starts it anew.
 */
import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Capabilities, Health } from '#schema/agent-protocol.ts';
import type { JobSpec } from '#schema/job.ts';
import type { Clock } from './clock.ts';
import type { EdgeClient } from './edge-client.ts';
import type { Fleet } from './fleet.ts';
import { DISCOVER_MS, STOP_MS_MAX } from './limits.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import { checkResult, clean, describeFailure, usageOf } from './outcome.ts';
import { createSession, step, wakeAt } from './session.ts';
import type { Session, SessionAction, SessionEvent } from './session.ts';
import type { Answered, Grant, Happening, RunOutcome } from './session/state.ts';
import type { Spool, SpoolEntry } from './spool.ts';
import { createTextStream } from './text-stream.ts';
import { Work } from './work.ts';

export interface AgentParts {
  readonly clock: Clock;
  /** A number in [0, 1), for jitter. */
  readonly random: () => number;
  readonly edge: EdgeClient;
  readonly fleet: Fleet;
  readonly spool: Spool;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly version: string;
  /** Folder for the files of runs; empty. */
  readonly scratch: string;
}

export interface Exit {
  readonly code: number;
  readonly reason: 'drained' | 'unauthorized' | 'engine_wedged' | 'fault' | 'locked';
}

export class AgentLoop {
  /** Settles when the agent is to leave. */
  readonly done: Promise<Exit>;
  readonly #parts: AgentParts;
  readonly #works = new Map<number, Work>();
  readonly #calls = new Map<number, AbortController>();
  readonly #removals = new Set<Promise<void>>();
  readonly #events: Happening[] = [];
  #session: Session;
  #turning = false;
  #leave: (exit: Exit) => void;
  #cancelWake = () => {};
  #cancelDiscover = () => {};
  #observed = '';

  constructor(
    parts: AgentParts,
    start: { capabilities: Capabilities; kept: readonly SpoolEntry[]; drainMs: number },
  ) {
    this.#parts = parts;
    const { promise, resolve } = Promise.withResolvers<Exit>();
    this.done = promise;
    this.#leave = resolve;
    const sessionId = randomUUID();
    const { version } = parts;
    this.#session = createSession({ sessionId, version, ...start, at: parts.clock.now() });
    for (const [index, entry] of start.kept.entries()) {
      this.#works.set(index + 1, new Work(entry.grant, { spooled: entry }));
    }
  }

  start(): void {
    this.#observe();
    this.#dispatch({ type: 'tick' });
    this.#scheduleDiscover();
  }

  /** Takes no more jobs; `done` settles when what runs is finished or given back. */
  drain(): void {
    this.#dispatch({ type: 'drain' });
  }

  /** Ends every call and run at once; tells nobody. */
  stop(): void {
    this.#cancelWake();
    this.#cancelDiscover();
    for (const call of this.#calls.values()) call.abort(new Error('the agent stops'));
    for (const work of this.#works.values()) work.abort('the agent stops');
  }

  /** Resolves when the files of every lease are as they are to be. */
  async settled(): Promise<void> {
    await Promise.all(Array.from(this.#works.values(), (work) => work.settled()));
    await Promise.all(this.#removals);
  }

  state(): Session {
    return this.#session;
  }

  #dispatch(event: Happening): void {
    this.#events.push(event);
    if (this.#turning) return;
    this.#turning = true;
    try {
      for (let next = this.#events.shift(); next; next = this.#events.shift()) this.#turn(next);
    } catch (error) {
      this.#parts.log.error('agent.fault', { detail: error });
      this.#leave({ code: 1, reason: 'fault' });
    } finally {
      this.#turning = false;
    }
    this.#parts.metrics.onState(this.#session);
    this.#scheduleWake();
  }

  #turn(happening: Happening): void {
    const { clock, random, metrics } = this.#parts;
    const event = { ...happening, at: clock.now(), random: random() } as SessionEvent;
    const { state, actions } = step(this.#session, event);
    this.#session = state;
    for (const action of actions) {
      metrics.onAction(action);
      this.#perform(action);
    }
  }

  #perform(action: SessionAction): void {
    switch (action.do) {
      case 'call':
        this.#track(this.#call(action));
        return;
      case 'abort_call':
        this.#calls.get(action.id)?.abort(new Error('no longer needed'));
        return;
      case 'start':
        this.#track(this.#run(action));
        return;
      case 'stop':
        this.#stopWork(action.lease);
        return;
      case 'upload':
        this.#track(this.#upload(action));
        return;
      case 'keep':
        this.#track(this.#works.get(action.lease)?.keep(action, this.#parts));
        return;
      case 'drop':
        this.#drop(action.lease);
        return;
      case 'discover':
        this.#track(this.#discover());
        return;
      case 'log':
        this.#log(action);
        return;
      case 'exit': {
        const { code, reason } = action;
        for (const work of this.#works.values()) work.abort('the agent leaves');
        this.#track(this.settled().then(() => this.#leave({ code, reason })));
      }
    }
  }

  /** What is started here handles its own failures; anything else is a fault of ours. */
  #track(work: Promise<unknown> | undefined): void {
    work?.catch((error: unknown) => {
      this.#parts.log.error('agent.fault', { detail: error });
      this.#leave({ code: 1, reason: 'fault' });
    });
  }

  async #call(action: Extract<SessionAction, { do: 'call' }>): Promise<void> {
    const { clock, edge, metrics } = this.#parts;
    const { id, verb, timeoutMs } = action;
    const abort = new AbortController();
    this.#calls.set(id, abort);
    const sentAt = clock.now();
    const result = await edge.call(verb, action.body, { timeoutMs, signal: abort.signal });
    this.#calls.delete(id);
    metrics.onCall({ verb, ok: result.ok, ms: clock.now() - sentAt });
    if (result.ok) {
      this.#dispatch({ type: 'answered', id, ...({ verb, answer: result.value } as Answered) });
    } else {
      this.#dispatch({ type: 'unanswered', id, failure: result.failure });
    }
  }

  async #run(action: { lease: number; grant: Grant; spec: JobSpec }): Promise<void> {
    const { lease, grant, spec } = action;
    const { scratch, edge, clock } = this.#parts;
    const name = `${grant.jobId}.${grant.fencingToken}.${lease}`;
    const work = new Work(grant, { directory: join(scratch, name) });
    work.running = true;
    this.#works.set(lease, work);
    const { signal } = work;
    const onLost = () => this.#dispatch({ type: 'lease_refused', lease });
    if (spec.type === 'text') {
      work.text = createTextStream({ edge, grant, clock, signal, onLost });
    }
    const outcome = await this.#runEngine(lease, work, spec);
    work.running = false;
    this.#observe();
    this.#dispatch({ type: 'run_ended', lease, outcome });
    if (work.dropped) this.#clean(lease, work);
  }

  async #runEngine(lease: number, work: Work, spec: JobSpec): Promise<RunOutcome> {
    const { fleet, log } = this.#parts;
    const { directory, text, signal } = work;
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      let stage = '';
      const result = await fleet.run(spec, {
        signal,
        directory,
        onProgress: (told) => {
          const progress = clean.progress(told);
          if (!progress) return;
          if (progress.stage !== stage) this.#observe();
          ({ stage } = progress);
          const usage = usageOf(spec, progress);
          this.#dispatch({ type: 'progressed', lease, progress, preview: null, usage });
        },
        onPreview: (told) => {
          const preview = clean.preview(told);
          const usage = this.#session.leases.find((other) => other.id === lease)?.usage ?? {};
          if (preview)
            this.#dispatch({ type: 'progressed', lease, progress: null, preview, usage });
        },
        onText: (piece) => text?.push(piece),
      });
      const { outputs, usage, loadMs } = checkResult(result, directory);
      work.outputs = outputs;
      return { kind: 'done', delivers: outputs.length > 0 || text !== null, usage, loadMs };
    } catch (error) {
      if (signal.aborted) return { kind: 'stopped' };
      const failure = describeFailure(error);
      const { jobId, fencingToken } = work.grant;
      const { code, detail } = failure;
      log.warn('engine.fail', { jobId, fencingToken, model: spec.model, code, detail });
      return failure;
    }
  }

  #stopWork(lease: number): void {
    const { clock, log } = this.#parts;
    const work = this.#works.get(lease);
    if (!work) return;
    work.abort('stopped');
    if (!work.running) return;
    clock.after(STOP_MS_MAX, () => {
      if (!work.running) return;
      log.error('engine.wedged', { jobId: work.grant.jobId, waitedMs: STOP_MS_MAX });
      this.#leave({ code: 1, reason: 'engine_wedged' });
    });
  }

  async #upload({ lease, trying }: Extract<SessionAction, { do: 'upload' }>): Promise<void> {
    const outcome = await this.#works.get(lease)?.upload(this.#parts.edge);
    if (outcome) this.#dispatch({ type: 'upload_ended', lease, trying, outcome });
  }

  #drop(lease: number): void {
    const work = this.#works.get(lease);
    if (!work) return;
    work.dropped = true;
    if (work.running) this.#stopWork(lease);
    else this.#clean(lease, work);
  }

  #clean(lease: number, work: Work): void {
    this.#works.delete(lease);
    const removal = work.remove(this.#parts).finally(() => this.#removals.delete(removal));
    this.#removals.add(removal);
  }

  #log(action: Extract<SessionAction, { do: 'log' }>): void {
    const { log } = this.#parts;
    const calm = action.op !== 'job.lost' && action.op !== 'edge.away';
    const who = action.ref ? { ...action.ref, attempt: action.attempt } : {};
    const fields = Object.entries(action.fields).map(([name, value]) => [
      name,
      typeof value === 'number' ? Math.round(value) : value,
    ]);
    log[calm ? 'info' : 'warn'](action.op, { ...who, ...Object.fromEntries(fields) });
  }

  async #discover(): Promise<void> {
    const capabilities = await this.#parts.fleet.discover();
    this.#dispatch({ type: 'discovered', capabilities });
    this.#observe();
  }

  #scheduleDiscover(): void {
    this.#cancelDiscover = this.#parts.clock.after(DISCOVER_MS, () => {
      this.#track(this.#discover().then(() => this.#scheduleDiscover()));
    });
  }

  /** Tells the session which models are loaded and how the box does, when that changed. */
  #observe(): void {
    const { fleet, metrics, spool } = this.#parts;
    const engines = fleet.engines();
    metrics.onEngines(engines, spool.size());
    const away = engines.filter((engine) => !engine.up).map((engine) => engine.name);
    const health: Health = {
      status: away.length === 0 ? 'ok' : 'degraded',
      message: away.length === 0 ? null : `away: ${away.join(', ')}`.slice(0, 500),
      vramFreeMib: fleet.vramFreeMib(),
    };
    const resident = fleet.resident();
    const told = JSON.stringify([resident, health]);
    if (told === this.#observed) return;
    this.#observed = told;
    this.#dispatch({ type: 'observed', resident, health });
  }

  #scheduleWake(): void {
    const { clock } = this.#parts;
    this.#cancelWake();
    const at = wakeAt(this.#session);
    if (at === null) return;
    this.#cancelWake = clock.after(Math.max(0, at - clock.now()), () =>
      this.#dispatch({ type: 'tick' }),
    );
  }
}
