/**
 * The agent's figures for Prometheus, fed by what the session does. Labels are bounded: verbs,
 * results, pools, engines and models of the catalog; never a job or an account.
 */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { EngineStatus } from './fleet.ts';
import type { PoolId } from '#schema/id.ts';
import type { Session, SessionAction, Verb } from './session/state.ts';

const SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 2700];

export class Metrics {
  readonly #registry = new Registry();
  readonly #jobs = this.#counter('jobs_total', 'Attempts that ended here, by how.', 'result');
  readonly #parts = this.#histogram('job_seconds', 'Where the time of an attempt went.', ['part']);
  readonly #idle = this.#histogram(
    'idle_gap_seconds',
    'From the end of one run to the start of the next: network, or an empty queue.',
  );
  readonly #engine = this.#counter(
    'engine_seconds_total',
    'Time of the engine by use: run; starved, when it stood still although a job was to be had; idle.',
    'use',
  );
  readonly #asks = this.#counter(
    'asks_total',
    'Requests for a job: free, or ahead of the end of a run.',
    'when',
  );
  readonly #granted = this.#counter(
    'granted_total',
    'Jobs granted, by whether they were asked for ahead.',
    'when',
  );
  readonly #uploaded = this.#counter('upload_bytes_total', 'Bytes of results uploaded.');
  readonly #calls = this.#histogram(
    'call_seconds',
    'Calls to the edge by verb and outcome; acquire and control are parked.',
    ['verb', 'result'],
  );
  readonly #reconnects = this.#counter('reconnects_total', 'Times the edge was reached again.');
  readonly #registered = this.#gauge('registered', 'Whether the edge knows this session.', 'pool');
  readonly #draining = this.#gauge('draining', 'Whether the session takes no more jobs.', 'pool');
  readonly #running = this.#gauge('running', 'Jobs that have an engine.');
  readonly #leases = this.#gauge('leases', 'Leases held.', 'pool');
  readonly #spooled = this.#gauge('spooled_results', 'Finished results on disk, undelivered.');
  readonly #up = this.#gauge('engine_up', 'Whether an engine answers.', 'engine');
  readonly #resident = this.#gauge('model_resident', 'Models that are loaded.', 'model');

  constructor() {
    // Resident memory, event-loop lag, open handles and the like.
    collectDefaultMetrics({ register: this.#registry });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  /** An action of the session, as it is performed. */
  onAction(action: SessionAction): void {
    if (action.do === 'call') this.#onAsk(action);
    if (action.do !== 'log') return;
    const { fields } = action;
    switch (action.op) {
      case 'job.start': {
        // Told of the first job of a run only.
        if (fields['idleMs'] === undefined) break;
        const [idle, starved] = [seconds(fields['idleMs']), seconds(fields['starvedMs'])];
        this.#idle.observe(idle);
        this.#engine.inc({ use: 'starved' }, starved);
        this.#engine.inc({ use: 'idle' }, Math.max(0, idle - starved));
        break;
      }
      case 'job.acquire':
        this.#granted.inc({ when: fields['ahead'] === true ? 'ahead' : 'free' });
        break;
      case 'job.upload':
        this.#uploaded.inc(Number(fields['bytes'] ?? 0));
        this.#parts.observe({ part: 'upload' }, seconds(fields['uploadMs']));
        break;
      case 'job.complete':
      case 'job.fail':
      case 'job.return':
        this.#jobs.inc({ result: action.op.slice('job.'.length) });
        this.#parts.observe({ part: 'load' }, seconds(fields['loadMs']));
        this.#parts.observe({ part: 'service' }, seconds(fields['serviceMs']));
        this.#parts.observe({ part: 'held' }, seconds(fields['heldMs']));
        break;
      case 'job.lost':
        this.#jobs.inc({ result: 'lost' });
        break;
      case 'edge.back':
        this.#reconnects.inc();
        break;
      case 'job.cancel':
      case 'job.keep':
      case 'edge.away':
      case 'session.register':
      case 'session.drain':
        break;
    }
  }

  /** An engine had a run of one job or more for `ms`. */
  onRun(ms: number): void {
    this.#engine.inc({ use: 'run' }, ms / 1000);
  }

  onCall(call: { readonly verb: Verb; readonly ok: boolean; readonly ms: number }): void {
    this.#calls.observe({ verb: call.verb, result: call.ok ? 'ok' : 'failed' }, call.ms / 1000);
  }

  /** The sessions of all pools, after a turn of one. */
  onState(served: readonly { readonly pool: PoolId; readonly session: Session }[]): void {
    for (const { pool, session } of served) {
      const { registered, exited, drain, leases } = session;
      this.#registered.set({ pool }, Number(registered && !exited));
      this.#draining.set({ pool }, Number(drain !== null));
      this.#leases.set({ pool }, leases.length);
    }
    const runs = served.map(({ session }) =>
      session.exited ? 0 : (session.run?.leases.length ?? 0),
    );
    this.#running.set(runs.reduce((sum, jobs) => sum + jobs, 0));
  }

  onEngines(engines: readonly EngineStatus[], spooled: number): void {
    this.#spooled.set(spooled);
    this.#resident.reset();
    for (const engine of engines) {
      this.#up.set({ engine: engine.name }, Number(engine.up));
      for (const model of engine.resident) this.#resident.set({ model }, 1);
    }
  }

  #onAsk(action: Extract<SessionAction, { do: 'call' }>): void {
    const { body } = action;
    const ask = 'waitMs' in body ? body : 'next' in body ? body.next : null;
    if (ask && 'busyMs' in ask) this.#asks.inc({ when: ask.busyMs > 0 ? 'ahead' : 'free' });
  }

  #counter(name: string, help: string, label?: string): Counter {
    return new Counter(this.#named(name, help, label ? [label] : []));
  }

  #gauge(name: string, help: string, label?: string): Gauge {
    return new Gauge(this.#named(name, help, label ? [label] : []));
  }

  #histogram(name: string, help: string, labelNames: string[] = []): Histogram {
    return new Histogram({ ...this.#named(name, help, labelNames), buckets: SECONDS });
  }

  #named(name: string, help: string, labelNames: string[]) {
    return { name: `tessera_agent_${name}`, help, labelNames, registers: [this.#registry] };
  }
}

function seconds(ms: unknown): number {
  return typeof ms === 'number' ? ms / 1000 : 0;
}
