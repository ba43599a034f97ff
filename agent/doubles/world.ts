/**
 * A session against the model of the edge over a bad network: messages are delayed, dropped,
 * doubled and reordered as a given chooser says; engines and uploads end as it says. Time is a
 * number that jumps to the next thing to happen. `check` throws when a law of the session breaks.
 */
import { assert } from '#schema/assert.ts';
import { DRAIN_MS, LEASE_MS, LEASES_PER_AGENT_MAX } from '#schema/limits.ts';
import { createSession, step, wakeAt } from '../session.ts';
import type { Session, SessionAction } from '../session.ts';
import type { Answered, Call, Happening, Request } from '../session/state.ts';
import { EdgeModel } from './edge-model.ts';
import type { Reply } from './edge-model.ts';
import { IMAGE_SPEC } from './spec.ts';

type Flight = Request & { readonly id: number; readonly parkUntil: number | null };

/** Faults in shares of 1000. */
export interface Faults {
  readonly dropMils: number;
  readonly doubleMils: number;
  /** Longest delay of a message, ms. */
  readonly delayMsMax: number;
  readonly failMils: number;
}

interface Due {
  readonly at: number;
  readonly act: () => void;
}

const SESSION_ID = '00000000-0000-4000-8000-000000000001';
const ENDS = ['job.complete', 'job.fail', 'job.return', 'job.lost'];

export class World {
  now = 1000;
  readonly edge = new EdgeModel();
  /** Jobs that the engine takes at once. */
  readonly batchMax: number;
  state: Session;
  exited = false;
  sent = 0;
  /** Leases acquired and not ended, by job and token. */
  readonly open = new Set<string>();
  ended = 0;
  /** What each acquire said, and whether the engine was in use then. */
  readonly asks: { busyMs: number; waitMs: number; runs: boolean }[] = [];
  readonly trace: string[] = [];
  /** Whether the network and the engines may misbehave now. */
  trouble = true;
  readonly #choose: (below: number) => number;
  readonly #faults: Faults;
  #due: Due[] = [];
  #parked: Flight[] = [];
  /** Leases whose part of the run goes on. */
  #engine: number[] = [];
  #lent = false;

  constructor(choose: (below: number) => number, faults: Faults) {
    this.#choose = choose;
    this.#faults = faults;
    this.batchMax = 1 + choose(3);
    const engine = { engine: 'test', version: '1', models: [IMAGE_SPEC.model] };
    const capabilities = { gpu: null, engines: [{ ...engine, batchMax: this.batchMax }] };
    const start = { sessionId: SESSION_ID, version: '1', capabilities, kept: [] };
    this.state = createSession({ ...start, drainMs: DRAIN_MS, at: this.now });
    this.feed({ type: 'tick' });
  }

  /** Runs until `until`; the session is woken when it asked to be. */
  run(until: number): void {
    for (let steps = 0; steps < 100_000; steps++) {
      const wake = this.exited ? null : wakeAt(this.state);
      const next = this.#due.reduce<Due | null>(
        (first, due) => (!first || due.at < first.at ? due : first),
        null,
      );
      const at = Math.min(wake ?? Infinity, next?.at ?? Infinity);
      if (at > until) {
        this.now = Math.max(this.now, until);
        return;
      }
      this.now = Math.max(this.now, at);
      if (next && next.at <= (wake ?? Infinity)) {
        this.#due = this.#due.filter((due) => due !== next);
        next.act();
      } else this.feed({ type: 'tick' });
    }
    throw new Error('the session never rests');
  }

  submit(): void {
    this.edge.submit(IMAGE_SPEC, { runMsMax: 120_000 });
    this.#wakeParked();
  }

  cancel(id: string): void {
    this.edge.cancel(id);
    this.#wakeParked();
  }

  /** Another session has the engine for a while; whether it says for how long is chosen. */
  lend(ms: number): void {
    if (this.#engine.length > 0 || this.#lent) return;
    this.#lent = true;
    const freeAt = this.#choose(2) === 0 ? null : this.now + ms;
    this.feed({ type: 'lent', lent: { freeAt } });
    this.#later(ms, () => {
      this.#lent = false;
      this.feed({ type: 'lent', lent: null });
    });
  }

  /** The process stands still: nothing it is sent arrives before it goes on. */
  freeze(ms: number): void {
    this.now += ms;
  }

  feed(happening: Happening): void {
    if (this.exited) return;
    const random = this.#choose(1000) / 1000;
    const { state, actions } = step(this.state, { ...happening, at: this.now, random });
    this.state = state;
    this.#check();
    for (const action of actions) this.#perform(action);
  }

  #perform(action: SessionAction): void {
    this.trace.push(`${this.now} ${JSON.stringify(action)}`);
    switch (action.do) {
      case 'call':
        this.#send(action);
        return;
      case 'start':
        this.#start(action.jobs.map(({ lease }) => lease));
        return;
      case 'stop':
      case 'drop':
        if (this.#engine.includes(action.lease)) {
          this.#later(this.#choose(1000), () => this.#endRun(action.lease, true));
        }
        return;
      case 'upload': {
        const { lease, trying } = action;
        const ok = !this.#fault(this.#faults.failMils);
        const failure = { reason: 'unreachable', retryAfterMs: null, detail: '' } as const;
        const outcome = ok ? { ok, artifacts: [] } : { ok, failure };
        this.#later(this.#choose(2000), () =>
          this.feed({ type: 'upload_ended', lease, trying, outcome }),
        );
        return;
      }
      case 'log':
        if (action.ref) this.#count(action.op, keyOf(action.ref));
        return;
      case 'exit':
        this.exited = true;
        return;
      case 'abort_call':
        this.#parked = this.#parked.filter((flight) => flight.id !== action.id);
        return;
      case 'keep':
      case 'discover':
    }
  }

  #count(op: string, key: string): void {
    if (op === 'job.acquire') {
      assert(!this.open.has(key), 'a lease is acquired once before it ends');
      this.open.add(key);
    } else if (ENDS.includes(op)) {
      assert(this.open.delete(key), 'a lease ends once');
      this.ended++;
    }
  }

  #send(action: Extract<SessionAction, { do: 'call' }>): void {
    const { id, timeoutMs } = action;
    this.sent++;
    if (action.verb === 'acquire') {
      const { busyMs, waitMs } = action.body;
      this.asks.push({ busyMs, waitMs, runs: this.state.run !== null || this.#lent });
    }
    if (action.verb === 'complete' || action.verb === 'fail' || action.verb === 'return') {
      const key = keyOf(action.body.lease);
      assert(this.open.has(key), `no ${action.verb} for a lease that is known to be lost`);
      const lease = this.state.leases.find((other) => keyOf(other.grant) === key);
      assert(lease && this.now < lease.liveUntil, `no ${action.verb} for a lease that lapsed`);
    }
    const flight = { ...action, parkUntil: null } as Flight;
    const copies = this.#fault(this.#faults.doubleMils) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      if (this.#fault(this.#faults.dropMils)) continue;
      this.#later(this.#delay(), () => this.#arrive(flight));
    }
    const failure = { reason: 'unreachable', retryAfterMs: null, detail: 'time-out' } as const;
    this.#later(timeoutMs, () => this.feed({ type: 'unanswered', id, failure }));
  }

  #arrive(flight: Flight): void {
    const last = flight.parkUntil !== null && this.now >= flight.parkUntil;
    const reply = this.edge.handle(flight, { now: this.now, last });
    if (reply.kind === 'park') {
      const parkUntil = flight.parkUntil ?? this.now + reply.waitMs;
      const parked = { ...flight, parkUntil };
      this.#parked.push(parked);
      this.#later(parkUntil - this.now, () => {
        if (!this.#parked.includes(parked)) return;
        this.#parked = this.#parked.filter((other) => other !== parked);
        this.#arrive(parked);
      });
      return;
    }
    if (this.#fault(this.#faults.dropMils)) return;
    const copies = this.#fault(this.#faults.doubleMils) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      this.#later(this.#delay(), () => this.#answer(flight, reply));
    }
  }

  #answer({ id, verb }: Flight, reply: Exclude<Reply, { kind: 'park' }>): void {
    if (reply.kind === 'answer') {
      this.feed({ type: 'answered', id, ...({ verb, answer: reply.answer } as Answered) });
      return;
    }
    const { code } = reply;
    const failure = { reason: 'refused', code, retryAfterMs: null, detail: code } as const;
    this.feed({ type: 'unanswered', id, failure });
  }

  #wakeParked(): void {
    const parked = this.#parked;
    this.#parked = [];
    for (const flight of parked) this.#arrive(flight);
  }

  /** Runs leases together: they end together or one after the other, and tell how far they are. */
  #start(leases: readonly number[]): void {
    assert(this.#engine.length === 0, 'one run at a time');
    assert(!this.#lent, 'no run on an engine that is lent');
    assert(leases.length <= this.batchMax, 'a batch fits the engine');
    this.#engine = [...leases];
    const runMs = this.#choose(40_000);
    const together = this.#choose(2) === 0;
    for (const [index, lease] of leases.entries()) {
      const endMs = together ? runMs : (runMs * (index + 1)) / leases.length;
      for (let told = this.#choose(4); told > 0; told--) {
        const fraction = told / 4;
        this.#later(endMs * fraction, () => this.#tell(lease, fraction));
      }
      this.#later(endMs, () => this.#endRun(lease, false));
    }
  }

  #tell(lease: number, fraction: number): void {
    if (!this.#engine.includes(lease)) return;
    const progress = { fraction, stage: 'running' as const, step: null, steps: null };
    this.feed({ type: 'progressed', lease, progress, preview: null, usage: {} });
  }

  #endRun(lease: number, stopped: boolean): void {
    if (!this.#engine.includes(lease)) return;
    this.#engine = this.#engine.filter((other) => other !== lease);
    const fails = this.#fault(this.#faults.failMils);
    const detail = { code: 'job_failed', retryable: true, detail: '' } as const;
    if (stopped) this.feed({ type: 'run_ended', lease, outcome: { kind: 'stopped' } });
    else if (fails) this.feed({ type: 'run_ended', lease, outcome: { kind: 'failed', ...detail } });
    else {
      const outcome = {
        kind: 'done',
        delivers: this.#choose(3) > 0,
        usage: {},
        loadMs: 0,
      } as const;
      this.feed({ type: 'run_ended', lease, outcome });
    }
  }

  #check(): void {
    const { state } = this;
    const count = (test: (call: Call) => boolean) => state.calls.filter(test).length;
    assert(count((call) => call.asks) <= 1, 'one request at a time that may bring a job');
    for (const verb of ['register', 'acquire', 'control', 'renew']) {
      assert(count((call) => call.verb === verb) <= 1, `one ${verb} at a time`);
    }
    const parts = state.leases.filter(({ phase }) => phase === 'running' || phase === 'stopping');
    assert(
      parts.every(({ id }) => state.run?.leases.includes(id)),
      'what runs is one run',
    );
    const grants = new Set(
      state.leases.filter(({ phase }) => phase === 'waiting').map(({ batch }) => batch),
    );
    assert(grants.size <= 1, 'at most one grant waits');
    assert(grants.size === 0 || state.run || state.lent, 'nothing waits for a free engine');
    assert(state.leases.length <= LEASES_PER_AGENT_MAX, 'no more leases than the edge allows');
    const live = state.leases.filter((lease) => lease.phase === 'running');
    assert(
      live.every((lease) => this.now < lease.liveUntil && lease.liveUntil <= this.now + LEASE_MS),
      'a running job has a live lease',
    );
    for (const lease of live) {
      const job = this.edge.jobs.get(lease.grant.jobId);
      if (!job || !this.edge.holdsLease(lease.grant)) continue;
      assert(lease.liveUntil <= job.expiresAt, 'the agent never reckons longer than the edge');
    }
    const jobs = new Set(state.leases.map((lease) => lease.grant.jobId));
    assert(jobs.size === state.leases.length, 'one lease of a job at a time');
  }

  #later(ms: number, act: () => void): void {
    this.#due.push({ at: this.now + ms, act });
  }

  #delay(): number {
    return this.trouble ? this.#choose(this.#faults.delayMsMax + 1) : 1;
  }

  #fault(mils: number): boolean {
    return this.trouble && this.#choose(1000) < mils;
  }
}

function keyOf(ref: { readonly jobId: string; readonly fencingToken: number }): string {
  return `${ref.jobId}#${ref.fencingToken}`;
}
