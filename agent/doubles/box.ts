/** A whole agent in this process against the edge's double, in a folder of its own. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ModelJob } from './edge-model.ts';
import type { JobSpec } from '#schema/job.ts';
import { DRAIN_MS } from '#schema/limits.ts';
import { EdgeClient } from '../edge-client.ts';
import { Fleet } from '../fleet.ts';
import { createLog } from '../log.ts';
import { Metrics } from '../metrics.ts';
import { AgentLoop } from '../run.ts';
import { wakeAt } from '../session.ts';
import type { Session } from '../session.ts';
import { Spool } from '../spool.ts';
import { Bell, TestClock } from './clock.ts';
import { EdgeServer, TOKEN } from './edge-server.ts';
import { TestEngine } from './engine.ts';
import { IMAGE_SPEC } from './spec.ts';

export type Line = Readonly<Record<string, unknown>> & { readonly op: string };

/** Rings after every turn of the session, which is when the metrics hear of it. */
class TurnMetrics extends Metrics {
  readonly #bell: Bell;

  constructor(bell: Bell) {
    super();
    this.#bell = bell;
  }

  override onState(state: Session): void {
    super.onState(state);
    this.#bell.ring();
  }
}

export class Box {
  readonly clock = new TestClock();
  readonly bell = new Bell();
  readonly server = new EdgeServer(() => this.clock.now(), this.bell);
  readonly engine = new TestEngine('test', ['painter', 'chat'], this.bell);
  readonly lines: Line[] = [];
  readonly metrics = new TurnMetrics(this.bell);
  directory = '';
  agent!: AgentLoop;
  #url = new URL('http://127.0.0.1');
  #edge: EdgeClient | null = null;

  static async open(): Promise<Box> {
    const box = new Box();
    box.directory = await mkdtemp(join(tmpdir(), 'tessera-agent-'));
    box.#url = await box.server.start();
    return box;
  }

  get scratch(): string {
    return join(this.directory, 'scratch');
  }

  get spool(): string {
    return join(this.directory, 'spool');
  }

  /** Starts an agent process, as it were; what is on disk stays from the one before. */
  async boot(token = TOKEN): Promise<void> {
    const { clock, metrics, scratch } = this;
    await rm(scratch, { recursive: true, force: true });
    await mkdir(scratch, { recursive: true });
    const sink = {
      write: (line: string) => {
        this.lines.push(JSON.parse(line) as Line);
        this.bell.ring();
      },
    };
    const log = createLog('debug', sink);
    const timeout = (ms: number) => clock.timeout(ms);
    const version = '1.2.3';
    const edge = new EdgeClient({ url: this.#url, token, version, timeout });
    this.#edge = edge;
    const spool = await Spool.open(this.spool, { wall: () => clock.wall(), log });
    const fleet = new Fleet([this.engine], { log, askGpu: () => Promise.resolve(null), timeout });
    const parts = { clock, random: () => 1, edge, fleet, spool, log, metrics, version, scratch };
    const [capabilities, kept] = await Promise.all([fleet.discover(), spool.load()]);
    this.agent = new AgentLoop(parts, { capabilities, kept, drainMs: DRAIN_MS });
    this.agent.start();
  }

  /** The process is gone: nothing it had in flight is answered, nothing is told to anyone. */
  async kill(): Promise<void> {
    this.agent.stop();
    await this.#edge?.close();
    this.clock.forget();
    await this.agent.settled();
  }

  async close(): Promise<void> {
    await this.kill();
    await this.server.stop();
    await rm(this.directory, { recursive: true, force: true });
  }

  until(holds: () => boolean): Promise<void> {
    return this.bell.until(holds);
  }

  ops(): string[] {
    return this.lines.map((line) => line.op);
  }

  logged(op: string, times = 1): Promise<void> {
    return this.until(() => this.ops().filter((other) => other === op).length >= times);
  }

  submit(spec: JobSpec = IMAGE_SPEC): ModelJob {
    const job = this.server.model.submit(spec);
    this.server.wake();
    return job;
  }

  /** Submits a job and waits until the engine has it. */
  async running(spec: JobSpec = IMAGE_SPEC): Promise<ModelJob> {
    const job = this.submit(spec);
    await this.until(() => this.engine.busy());
    return job;
  }

  /** Lets time pass until the session wants to be woken, and no further: calls may time out. */
  skip(): void {
    const at = wakeAt(this.agent.state());
    this.clock.advance(Math.max(0, (at ?? 0) - this.clock.now()));
  }

  idle(): Promise<void> {
    return this.until(() => this.server.parked('acquire') === 1);
  }
}
