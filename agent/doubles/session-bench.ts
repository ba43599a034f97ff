/** A session in a test's hand: events in, actions out, and what they say in short. */
import type { LeasedJob } from '#schema/agent-protocol.ts';
import type { ErrorCode } from '#schema/error.ts';
import { DRAIN_MS, HEARTBEAT_MS, LEASE_MS, POLL_MS } from '#schema/limits.ts';
import { createSession, step, wakeAt } from '../session.ts';
import type { Session, SessionAction } from '../session.ts';
import type {
  AnswerOf,
  BodyOf,
  CallFailure,
  Happening,
  Kept,
  UploadOutcome,
  Verb,
} from '../session/state.ts';
import { IMAGE_SPEC } from './spec.ts';

export const JOB_A = 'job_01000000000000000000000001_main';
export const JOB_B = 'job_01000000000000000000000002_main';
export const NOTHING = { job: null, batch: [], drain: false };

export function leased(jobId: string, fencingToken = 1): LeasedJob {
  return {
    jobId,
    spec: IMAGE_SPEC,
    fencingToken,
    attempt: fencingToken,
    leaseMs: LEASE_MS,
    expiresAt: 0,
    runMsMax: 600_000,
    uploadTicket: 'ticket',
    inputs: [],
  };
}

export function refused(code: ErrorCode, retryAfterMs: number | null = null): CallFailure {
  return { reason: 'refused', code, retryAfterMs, detail: code };
}
export const UNREACHABLE: CallFailure = {
  reason: 'unreachable',
  retryAfterMs: null,
  detail: 'ECONNREFUSED',
};

/** A session with a clock in hand and the actions of its last turn. */
export class Bench {
  state: Session;
  now = 1000;
  last: readonly SessionAction[] = [];
  readonly all: SessionAction[] = [];

  /** An engine that takes up to `batchMax` jobs at once; results of an earlier process. */
  constructor(kept: readonly Kept[] = [], batchMax = 1) {
    const engine = { engine: 'test', version: '1', models: [IMAGE_SPEC.model], batchMax };
    const capabilities = { gpu: null, engines: [engine] };
    const sessionId = '00000000-0000-4000-8000-000000000001';
    this.state = createSession({
      sessionId,
      version: '1',
      capabilities,
      kept,
      drainMs: DRAIN_MS,
      at: this.now,
    });
  }

  feed(event: Happening): this {
    const { state, actions } = step(this.state, { ...event, at: this.now, random: 1 });
    this.state = state;
    this.last = actions;
    this.all.push(...actions);
    return this;
  }

  /** Lets time pass, waking the session whenever it asked to be. */
  pass(ms: number): this {
    const until = this.now + ms;
    const seen: SessionAction[] = [];
    for (let at = wakeAt(this.state); at !== null && at <= until; at = wakeAt(this.state)) {
      this.now = Math.max(this.now, at);
      seen.push(...this.feed({ type: 'tick' }).last);
    }
    this.now = until;
    this.last = seen;
    return this;
  }

  calls(verb?: Verb) {
    return this.state.calls.filter((call) => !verb || call.verb === verb);
  }

  body<V extends Verb>(verb: V): BodyOf<V> {
    const sent = this.all.findLast((action) => action.do === 'call' && action.verb === verb);
    if (sent?.do !== 'call') throw new Error(`no ${verb} was sent`);
    return sent.body as BodyOf<V>;
  }

  answer<V extends Verb>(verb: V, answer: AnswerOf<V>): this {
    const call = this.calls(verb)[0];
    if (!call) throw new Error(`no ${verb} is in flight`);
    return this.feed({ type: 'answered', id: call.id, verb, answer } as Happening);
  }

  refuse(verb: Verb, failure: CallFailure): this {
    const call = this.calls(verb)[0];
    if (!call) throw new Error(`no ${verb} is in flight`);
    return this.feed({ type: 'unanswered', id: call.id, failure });
  }

  register(words: Partial<AnswerOf<'register'>> = {}): this {
    const spans = { heartbeatMs: HEARTBEAT_MS, leaseMs: LEASE_MS, pollMs: POLL_MS };
    const agentId = 'agt_01000000000000000000000000';
    return this.answer('register', { agentId, ...spans, lost: [], cancel: [], ...words });
  }

  done(lease = this.lease(), delivers = true): this {
    const usage = { steps: 20 };
    return this.feed({
      type: 'run_ended',
      lease,
      outcome: { kind: 'done', delivers, usage, loadMs: 10 },
    });
  }

  uploaded(outcome: UploadOutcome = { ok: true, artifacts: [] }, lease = this.lease()): this {
    const trying = this.state.leases.find((other) => other.id === lease)?.trying ?? -1;
    return this.feed({ type: 'upload_ended', lease, trying, outcome });
  }

  lease(index = 0): number {
    return this.state.leases[index]?.id ?? -1;
  }

  doing(): string[] {
    return this.last
      .filter((action) => action.do !== 'log')
      .map((action) => (action.do === 'call' ? action.verb : action.do));
  }

  ops(): string[] {
    return this.last.flatMap((action) => (action.do === 'log' ? [action.op] : []));
  }
}

export function idle(batchMax = 1): Bench {
  return new Bench([], batchMax).feed({ type: 'tick' }).register();
}

export function running(): Bench {
  return idle().answer('acquire', { job: leased(JOB_A), batch: [], drain: false });
}

export const REF_A = { jobId: JOB_A, fencingToken: 1 };
export const WORDS = { held: [], lost: [], cancel: [], drain: false };
