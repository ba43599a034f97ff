/** A whole agent in this process against doubles of the edge, one a pool, in a folder of its own. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ModelJob } from './edge-model.ts';
import type { JobSpec } from '#schema/job.ts';
import { DRAIN_MS } from '#schema/limits.ts';
import { EdgeClient } from '../edge-client.ts';
import { Fleet } from '../fleet.ts';
import type { Classifier } from '../check/classifier.ts';
import { createLog } from '../log.ts';
import { Metrics } from '../metrics.ts';
import { Agent } from '../agent.ts';
import type { Served } from '../agent.ts';
import type { SessionParts } from '../run.ts';
import { wakeAt } from '../session.ts';
import type { Session } from '../session.ts';
import { Spool } from '../spool.ts';
import { Bell, TestClock } from './clock.ts';
import { EdgeServer, tokenOf } from './edge-server.ts';
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

  override onState(served: readonly Served[]): void {
    super.onState(served);
    this.#bell.ring();
  }
}

export class Box {
  readonly clock = new TestClock();
  readonly bell = new Bell();
  /** The edge as each pool sees it. */
  readonly servers: readonly EdgeServer[];
  readonly engine = new TestEngine('test', ['painter', 'chat'], this.bell);
  readonly lines: Line[] = [];
  readonly metrics = new TurnMetrics(this.bell);
  directory = '';
  /** Looks at results before they are sent. */
  classifier: Classifier | null = null;
  agent!: Agent;
  #urls: readonly URL[] = [];
  #edges: readonly EdgeClient[] = [];

  constructor(pools: readonly string[]) {
    this.servers = pools.map((pool) => new EdgeServer(() => this.clock.now(), this.bell, pool));
  }

  static async open(...pools: readonly string[]): Promise<Box> {
    const box = new Box(pools.length === 0 ? ['main'] : pools);
    box.directory = await mkdtemp(join(tmpdir(), 'tessera-agent-'));
    box.#urls = await Promise.all(box.servers.map((server) => server.start()));
    return box;
  }

  /** The first pool's. */
  get server(): EdgeServer {
    return this.servers[0]!;
  }

  get scratch(): string {
    return join(this.directory, 'scratch');
  }

  get spool(): string {
    return join(this.directory, 'spool', 'main');
  }

  /** Starts an agent process, as it were; what is on disk stays from the one before. */
  async boot(token?: string): Promise<void> {
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
    const pools = await Promise.all(
      this.servers.map(async ({ pool }, place): Promise<SessionParts> => {
        const options = {
          url: this.#urls[place]!,
          token: token ?? tokenOf(pool),
          version,
          timeout,
          clock,
        };
        const directory = join(this.directory, 'spool', pool);
        const spool = await Spool.open(directory, { wall: () => clock.wall(), log });
        return { pool, edge: new EdgeClient(options), spool, kept: await spool.load() };
      }),
    );
    this.#edges = pools.map(({ edge }) => edge);
    const fleet = new Fleet([this.engine], { log, askGpu: () => Promise.resolve(null), timeout });
    const capabilities = await fleet.discover();
    const { classifier } = this;
    const own = { clock, random: () => 1, fleet, log, metrics, version, scratch, classifier };
    const shared = { ...own, capabilities, drainMs: DRAIN_MS };
    this.agent = new Agent(shared, pools);
    this.agent.start();
  }

  /** The process is gone: nothing it had in flight is answered, nothing is told to anyone. */
  async kill(): Promise<void> {
    this.agent.stop();
    await Promise.all(this.#edges.map((edge) => edge.close()));
    this.clock.forget();
    await this.agent.settled();
  }

  async close(): Promise<void> {
    await this.kill();
    await Promise.all(this.servers.map((server) => server.stop()));
    await rm(this.directory, { recursive: true, force: true });
  }

  /** The session of a pool, by its place. */
  state(place = 0): Session {
    return this.agent.served()[place]!.session;
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

  submit(spec: JobSpec = IMAGE_SPEC, server = this.server): ModelJob {
    const job = server.model.submit(spec);
    server.wake();
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
    const at = wakeAt(this.state());
    this.clock.advance(Math.max(0, (at ?? 0) - this.clock.now()));
  }

  idle(): Promise<void> {
    return this.until(() => this.servers.every((server) => server.parked('acquire') === 1));
  }
}
