/**
 * Performs what one session wants, and tells it what came of it: calls, runs, uploads, the spool.
 * All decisions are the session's; events reach it one at a time, each with the clock's time.
 * A lease's work hangs on one AbortSignal. An engine that does not stop when told to ends the
 * agent, since its GPU cannot be trusted any more; a supervisor starts it anew. Whose turn it is
 * on an engine that several sessions share is not decided here: agent.ts is told of every turn.
 */
import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Capabilities } from '#schema/agent-protocol.ts';
import type { PoolId } from '#schema/id.ts';
import type { JobSpec } from '#schema/job.ts';
import { checkOutputs } from './check/classifier.ts';
import type { Classifier } from './check/classifier.ts';
import type { Clock } from './clock.ts';
import type { EdgeClient } from './edge-client.ts';
import type { RunContext, RunResult } from './engines/engine.ts';
import type { Fleet } from './fleet.ts';
import { Inputs } from './input.ts';
import { AHEAD_INPUT_BYTES_MAX, STOP_MS_MAX } from './limits.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import { checkResult, clean, describeFailure, isDiskFull, usageOf } from './outcome.ts';
import { createSession, step, wakeAt } from './session.ts';
import type { Session, SessionAction, SessionEvent } from './session.ts';
import type { Answered, Grant, Happening, RunOutcome, StartedJob } from './session/state.ts';
import type { Spool, SpoolEntry } from './spool.ts';
import { createTextStream } from './text-stream.ts';
import { Work } from './work.ts';

/** What all sessions of an agent have in common. */
export interface SharedParts {
  readonly clock: Clock;
  /** A number in [0, 1), for jitter. */
  readonly random: () => number;
  readonly fleet: Fleet;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly version: string;
  /** Folder for the files of runs; empty. */
  readonly scratch: string;
  readonly capabilities: Capabilities;
  /** How long a drain lets the running job go on, ms. */
  readonly drainMs: number;
  /** Looks at what was made before it is sent; without one, all is sent. */
  readonly classifier?: Classifier | null;
}

/** What a session has of its own. */
export interface SessionParts {
  readonly pool: PoolId;
  readonly edge: EdgeClient;
  readonly spool: Spool;
  /** Results of an earlier process, still to be delivered. */
  readonly kept: readonly SpoolEntry[];
}

/** What a loop tells the agent that it belongs to. */
export interface LoopHooks {
  /** Events were handled: the session, or its use of the engine, may have changed. */
  readonly onTurn: () => void;
  /** Models were loaded or unloaded. */
  readonly onEngine: () => void;
  /** Ask the engines anew; every session is told. */
  readonly discover: () => Promise<void>;
  readonly onExit: (exit: Exit) => void;
}

export interface Exit {
  readonly code: number;
  readonly reason: 'drained' | 'unauthorized' | 'engine_wedged' | 'fault' | 'locked' | 'no_data';
}

export class AgentLoop {
  readonly pool: PoolId;
  readonly #parts: SharedParts & SessionParts;
  readonly #hooks: LoopHooks;
  readonly #works = new Map<number, Work>();
  readonly #calls = new Map<number, AbortController>();
  readonly #removals = new Set<Promise<void>>();
  readonly #events: Happening[] = [];
  #session: Session;
  #turning = false;
  #cancelWake = () => {};

  constructor(parts: SharedParts & SessionParts, hooks: LoopHooks) {
    this.pool = parts.pool;
    this.#parts = parts;
    this.#hooks = hooks;
    const { version, capabilities, kept, drainMs, clock } = parts;
    const sessionId = randomUUID();
    const at = clock.now();
    this.#session = createSession({ sessionId, version, capabilities, kept, drainMs, at });
    for (const [index, entry] of kept.entries()) {
      this.#works.set(index + 1, new Work(entry.grant, { spooled: entry }));
    }
  }

  /** Tells the session what happened; what it wants done about it is begun when this returns. */
  dispatch(event: Happening): void {
    this.#events.push(event);
    if (this.#turning) return;
    this.#turning = true;
    try {
      for (let next = this.#events.shift(); next; next = this.#events.shift()) this.#turn(next);
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#turning = false;
    }
    this.#scheduleWake();
    this.#hooks.onTurn();
  }

  /** Ends every call and run at once; tells nobody. */
  stop(): void {
    this.#cancelWake();
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

  /** Whether a run of this session has the engine, also when the session is over. */
  get runs(): boolean {
    return [...this.#works.values()].some(({ running }) => running);
  }

  get spooled(): number {
    return this.#parts.spool.size();
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
    this.#fetchAhead();
  }

  /** What jobs bring that wait for the engine, comes meanwhile; what is not wanted, ends. */
  #fetchAhead(): void {
    for (const { id, phase, grant } of this.#session.leases) {
      const work = this.#works.get(id);
      if (phase === 'ending') work?.inputs?.stop();
      if (phase !== 'waiting' || work || grant.inputs.length === 0) continue;
      const others = [...this.#works.values()].filter(({ running }) => !running);
      const bytes = grant.inputs.reduce((sum, input) => sum + input.bytes, 0);
      const held = others.reduce((sum, { inputs }) => sum + (inputs?.bytes ?? 0), bytes);
      if (held <= AHEAD_INPUT_BYTES_MAX) this.#track(this.#openWork(id, grant).fetch());
    }
  }

  #openWork(lease: number, grant: Grant): Work {
    const { scratch, edge, clock } = this.#parts;
    const directory = join(scratch, `${grant.jobId}.${grant.fencingToken}.${lease}`);
    const work = new Work(grant, { directory });
    const { inputs } = grant;
    work.inputs = new Inputs({ edge, clock, inputs, directory, signal: work.signal });
    this.#works.set(lease, work);
    return work;
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
        this.#track(this.#run(action.jobs));
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
        this.#track(this.#hooks.discover());
        return;
      case 'log':
        this.#log(action);
        return;
      case 'exit': {
        const { code, reason } = action;
        for (const lease of this.#works.keys()) this.#stopWork(lease);
        this.#track(this.settled().then(() => this.#hooks.onExit({ code, reason })));
      }
    }
  }

  /** What is started here handles its own failures; anything else is a fault of ours. */
  #track(work: Promise<unknown> | undefined): void {
    work?.catch((error: unknown) => this.#fail(error));
  }

  #fail(error: unknown): void {
    this.#parts.log.error('agent.fault', { pool: this.pool, detail: error });
    this.#hooks.onExit({ code: 1, reason: 'fault' });
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
      this.dispatch({ type: 'answered', id, ...({ verb, answer: result.value } as Answered) });
    } else {
      this.dispatch({ type: 'unanswered', id, failure: result.failure });
    }
  }

  /** Runs jobs together; each ends by itself. */
  async #run(jobs: readonly StartedJob[]): Promise<void> {
    const { fleet, clock, metrics } = this.#parts;
    const startedAt = clock.now();
    const parts = jobs.map((job) => this.#prepare(job));
    const made = Promise.all(
      parts.map(({ work }) => mkdir(work.directory, { recursive: true, mode: 0o700 })),
    );
    const results = made.then(() => fleet.run(parts));
    await Promise.all(
      parts.map(async ({ lease, spec, work }, index) => {
        const result = results.then((all) => all[index]!);
        const outcome = await this.#outcomeOf({ work, spec, result });
        work.running = false;
        this.#track(work.discardInputs());
        this.#hooks.onEngine();
        this.dispatch({ type: 'run_ended', lease, outcome });
        if (work.dropped) this.#clean(lease, work);
      }),
    );
    metrics.onRun(clock.now() - startedAt);
  }

  /** What the run of one job needs: its place on this box and the ways out of the engine. */
  #prepare({ lease, grant, spec }: StartedJob) {
    const { edge, clock, classifier } = this.#parts;
    const known = this.#works.get(lease);
    const work = known ?? this.#openWork(lease, grant);
    // The engine may have to load its model first.
    if (!known) this.#track(work.fetch());
    work.running = true;
    const { signal, directory } = work;
    const inputs = work.inputs!;
    if (spec.type === 'text') {
      const onLost = () => this.dispatch({ type: 'lease_refused', lease });
      work.text = createTextStream({ edge, grant, clock, signal, onLost });
    }
    let stage = '';
    const context: RunContext = {
      signal,
      directory,
      openInput: (fileId) => inputs.open(fileId),
      onProgress: (told) => {
        const progress = clean.progress(told);
        if (!progress) return;
        if (progress.stage !== stage) this.#hooks.onEngine();
        ({ stage } = progress);
        const usage = usageOf(spec, progress);
        this.dispatch({ type: 'progressed', lease, progress, preview: null, usage });
      },
      onPreview: (told) => {
        // Nobody has looked at it yet.
        if (classifier) return;
        const preview = clean.preview(told);
        const usage = this.#session.leases.find((other) => other.id === lease)?.usage ?? {};
        if (preview) this.dispatch({ type: 'progressed', lease, progress: null, preview, usage });
      },
      onText: (piece) => work.text?.push(piece),
    };
    return { lease, spec, work, context };
  }

  async #outcomeOf(of: {
    readonly work: Work;
    readonly spec: JobSpec;
    readonly result: Promise<RunResult>;
  }): Promise<RunOutcome> {
    const { work, spec } = of;
    try {
      const { outputs, usage, loadMs } = checkResult(await of.result, work.directory);
      const { classifier } = this.#parts;
      const { directory, signal } = work;
      if (classifier) await checkOutputs(outputs, { classifier, directory, signal });
      work.outputs = outputs;
      const delivers = outputs.length > 0 || work.text !== null;
      return { kind: 'done', delivers, usage, loadMs };
    } catch (error) {
      if (work.signal.aborted) return { kind: 'stopped' };
      const failure = describeFailure(error);
      const { jobId, fencingToken } = work.grant;
      const { code, detail } = failure;
      this.#parts.log.warn('engine.fail', {
        jobId,
        fencingToken,
        model: spec.model,
        code,
        detail,
      });
      // What is announced depends on it, too.
      if (code === 'model_unavailable' || isDiskFull(detail)) this.#track(this.#hooks.discover());
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
      this.#hooks.onExit({ code: 1, reason: 'engine_wedged' });
    });
  }

  async #upload({ lease, trying }: Extract<SessionAction, { do: 'upload' }>): Promise<void> {
    const kept = this.#session.leases.find(({ id }) => id === lease);
    if (!kept) return;
    const outcome = await this.#works.get(lease)?.upload(kept, this.#parts);
    if (outcome) this.dispatch({ type: 'upload_ended', lease, trying, outcome });
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
    // A job's id names its pool.
    const who = action.ref ? { ...action.ref, attempt: action.attempt } : { pool: this.pool };
    const fields = Object.entries(action.fields).map(([name, value]) => [
      name,
      typeof value === 'number' ? Math.round(value) : value,
    ]);
    const help = 'tried again by itself; tessera-agent doctor says what is wrong on the way';
    const mend = action.op === 'edge.away' ? { help } : {};
    log[calm ? 'info' : 'warn'](action.op, { ...who, ...Object.fromEntries(fields), ...mend });
  }

  #scheduleWake(): void {
    const { clock } = this.#parts;
    this.#cancelWake();
    const at = wakeAt(this.#session);
    if (at === null) return;
    this.#cancelWake = clock.after(Math.max(0, at - clock.now()), () =>
      this.dispatch({ type: 'tick' }),
    );
  }
}
