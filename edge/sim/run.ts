/**
 * Runs one seed: makes its world, lets it happen, mends it, waits until it has come to rest, and
 * judges. The production code in it must have been loaded through the hooks.
 */
import { Account } from '../account/account.ts';
import { parseEnv } from '../env.ts';
import type { Bindings } from '../env.ts';
import type { QueueState } from '../core/state.ts';
import { Scheduler } from '../scheduler/scheduler.ts';
import { Box } from './actors/box.ts';
import type { Surroundings } from './actors/box.ts';
import { Operator } from './actors/operator.ts';
import { User } from './actors/user.ts';
import { checkAccount, checkRest, readFigures } from './checks/account.ts';
import { checkHistory } from './checks/history.ts';
import { checkNotices } from './checks/notice.ts';
import { Oracle } from './checks/oracle.ts';
import { checkRestart } from './checks/restart.ts';
import { installClock } from './clock.ts';
import { Bucket } from './doubles/bucket.ts';
import { Courier } from './doubles/courier.ts';
import { Database } from './doubles/database.ts';
import { Feed } from './doubles/feed.ts';
import { Faults } from './faults.ts';
import type { Disk } from './platform/disk.ts';
import { Network } from './platform/network.ts';
import { Instance } from './platform/object.ts';
import type { ObjectClass } from './platform/object.ts';
import { Worker } from './platform/worker.ts';
import { makeWhole, drawRequest, drawScenario } from './scenario.ts';
import type { Scenario } from './scenario.ts';
import { setSite } from './site.ts';
import type { Site } from './site.ts';
import { Trace } from './trace.ts';
import { findWorld, World } from './world.ts';
import type { Owner, Violation } from './world.ts';

/** What came of a seed. */
export interface Report {
  readonly seed: number;
  readonly hash: string;
  readonly steps: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly violations: readonly Violation[];
  /** The end of the trace, when a rule was broken. */
  readonly tail: readonly string[];
}

export interface RunOptions {
  readonly seed: number;
  readonly print: ((line: string) => void) | null;
  /** Stores and pools are not looked into again: the first run did, and its hash is compared. */
  readonly isRepeat?: boolean;
}

const CLASSES: Readonly<Record<string, ObjectClass>> = {
  account: Account,
  scheduler: Scheduler,
  feed: Feed,
  bot: Courier,
  webhook: Courier,
};
const SETUP_MS = 5 * 60_000;
const REST_MS = 3 * 60 * 60_000;
/** Steps between two looks whether all has come to rest. */
const LOOK_STEPS = 40;
const RESTART_CHECK_SHARE = 0.02;

installClock(findWorld);
process.on('unhandledRejection', (error) => {
  const world = findWorld();
  if (!world) throw error;
  world.violate('no failure is left floating', String(error));
});

/** In a task of its own: from within a promise no others can be run to rest. */
export function runSeed(options: RunOptions): Promise<Report> {
  return new Promise((resolve) => setImmediate(() => resolve(report(options))));
}

function report({ seed, print, isRepeat = false }: RunOptions): Report {
  const trace = new Trace(print);
  const world = new World({ seed, at: 0, trace });
  const scenario = drawScenario(world.random.fork());
  world.now = scenario.startAt;
  const run = new Run(world, scenario, { isVerbose: print !== null, isRepeat });
  try {
    run.play();
  } catch (error) {
    world.violate('the world goes on', error instanceof Error ? error.stack! : String(error));
  }
  run.close();
  const { violations, steps, counts } = world;
  const tail = violations.length > 0 ? trace.tail() : [];
  return { seed, hash: trace.digest(), steps, counts, violations, tail };
}

class Run {
  readonly #world: World;
  readonly #scenario: Scenario;
  readonly #isRepeat: boolean;
  readonly #site: Site;
  readonly #network: Network;
  readonly #worker: Worker;
  readonly #operator: Operator;
  readonly #around: Surroundings;
  readonly #users: User[] = [];
  readonly #nobody: Owner = { name: 'world', alive: true, frozenUntil: 0, skewMs: 0 };
  #bindings: Bindings;
  #looks = 0;
  #spares = 0;
  #isAtRest = false;
  /** Of the accounts' disks, as they were last checked. */
  readonly #versions = new Map<Disk, number>();

  constructor(
    world: World,
    scenario: Scenario,
    { isVerbose, isRepeat }: { readonly isVerbose: boolean; readonly isRepeat: boolean },
  ) {
    this.#world = world;
    this.#isRepeat = isRepeat;
    this.#scenario = scenario;
    const faults = new Faults(world);
    faults.trouble = false;
    const bucket = new Bucket();
    const oracle = new Oracle(world, bucket, faults.isCalm);
    const states = new Map<Instance, QueueState>();
    this.#site = {
      world,
      faults,
      database: new Database(),
      bucket,
      oracle,
      changed: new Set<Instance>(),
      states,
      isVerbose,
    };
    setSite(this.#site);
    const platform = { world, faults, bindings: () => this.#bindings };
    this.#network = new Network(platform, CLASSES);
    this.#bindings = this.#bind('main');
    this.#worker = new Worker(world, faults, {
      network: this.#network,
      env: parseEnv(this.#bindings),
    });
    this.#around = { world, faults, worker: () => this.#worker };
    this.#operator = new Operator(this.#around, {
      network: this.#network,
      deploy: (pools) => this.#deploy(pools),
      spare: () => this.#makeSpare(),
    });
    world.onStep = (owner) => this.#check(owner);
  }

  play(): void {
    const { faults } = this.#site;
    this.#setUp();
    if (this.#world.violations.length > 0) return;
    faults.trouble = true;
    this.#begin();
    const { spanMs } = this.#scenario;
    this.#world.run(() => this.#isOver(), this.#world.now + spanMs);
    if (this.#world.violations.length > 0) return;
    this.#world.afterSync(0, {
      owner: this.#nobody,
      what: 'mended',
      act: () => this.#operator.mend(),
    });
    this.#world.run(() => this.#isOver(), this.#world.now + REST_MS);
    if (this.#world.violations.length === 0) this.#judge();
  }

  close(): void {
    setSite(null);
    for (const host of this.#network.hosts.values()) host.disk.close();
  }

  #setUp(): void {
    const { plans, boxes } = this.#scenario;
    this.#at(0, 'sets up', () => {
      for (const box of boxes) this.#operator.equip(new Box(this.#around, box));
    });
    for (const plan of plans) {
      this.#at(1, 'opens an account', () =>
        this.#operator.openAccount(plan, (account) => {
          this.#users.push(new User(this.#around, this.#site, { ...account, plan }));
        }),
      );
    }
    // A pool takes no job before it has heard of an agent.
    const isReady = () =>
      this.#users.length === plans.length &&
      (this.#world.counts['agent session.register'] ?? 0) >= boxes.length;
    this.#world.run(isReady, this.#world.now + SETUP_MS);
    if (!isReady()) this.#world.violate('a world can be set up', 'agents or accounts are missing');
  }

  #begin(): void {
    const { wishes, quotes, joins, secondPoolAfterMs, spanMs } = this.#scenario;
    for (const { user, atMs, wish } of wishes) {
      this.#at(atMs, 'wishes', () => this.#users[user]!.wish(wish));
    }
    const random = this.#world.random.fork();
    for (const { user, atMs } of quotes) {
      this.#at(atMs, 'asks the price', () => this.#users[user]!.quote(drawRequest(random)));
    }
    if (joins) {
      this.#at(joins.afterMs, 'a box joins', () =>
        this.#operator.equip(new Box(this.#around, joins.box)),
      );
    }
    if (secondPoolAfterMs !== null) {
      this.#at(secondPoolAfterMs, 'a pool is added', () => {
        this.#deploy('main,two');
        this.#operator.equip(this.#makeSpare());
      });
    }
    this.#operator.disturb(spanMs);
  }

  /** One more box that has every model. */
  #makeSpare(): Box {
    this.#spares += 1;
    const [like] = this.#scenario.boxes;
    return new Box(this.#around, makeWhole(like!, `spare${this.#spares}`));
  }

  /** Every connection is cut and every object starts anew. */
  #deploy(pools?: string): void {
    this.#bindings = this.#bind(pools ?? this.#bindings.POOLS ?? 'main');
    this.#worker.deploy(parseEnv(this.#bindings));
    for (const host of this.#network.hosts.values()) host.crash(this.#world.random.chance(0.5));
  }

  #bind(pools: string): Bindings {
    return {
      ENVIRONMENT: 'local',
      POOLS: pools,
      PUBLIC_URL: 'http://127.0.0.1:8787',
      DATABASE_URL: 'postgres://simulated',
      ADMIN_KEY: 'admin-key-of-the-simulation',
      SIGNING_KEY: 'c2lnbmluZy1rZXktb2YtdGhlLXNpbXVsYXRpb24',
      ACCOUNT: this.#network.namespace('account'),
      SCHEDULER: this.#network.namespace('scheduler'),
      FEED: this.#network.namespace('feed'),
      BOT_COURIER: this.#network.namespace('bot'),
      WEBHOOK_COURIER: this.#network.namespace('webhook'),
      ARTIFACTS: {},
    } as unknown as Bindings;
  }

  #at(ms: number, what: string, act: () => void): void {
    this.#world.after(ms, { owner: this.#nobody, what, act });
  }

  #check(owner: Owner): void {
    if (!(owner instanceof Instance)) return;
    const { kind, name, disk } = owner.host;
    if (kind === 'account' && !this.#isRepeat) this.#checkAccount(name, disk);
    if (kind !== 'scheduler') return;
    const state = this.#site.states.get(owner);
    if (!owner.alive) this.#site.states.delete(owner);
    if (!state || !owner.alive) return;
    const restarts = this.#world.random.chance(RESTART_CHECK_SHARE);
    if (this.#isRepeat) return;
    const { oracle, changed } = this.#site;
    oracle.inspect(owner.name, state, changed.delete(owner));
    if (restarts) {
      checkRestart(this.#world, { name, disk, now: this.#world.now + owner.skewMs }, state);
    }
  }

  /** What is not on disk has no part in it. */
  #checkAccount(name: string, disk: Disk): void {
    if (this.#versions.get(disk) === disk.version) return;
    this.#versions.set(disk, disk.version);
    checkAccount(this.#world, name, disk);
  }

  /** A broken rule ends the world at once; else it ends when nothing is left to be done. */
  #isOver(): boolean {
    if (this.#world.violations.length > 0) return true;
    if (this.#site.faults.trouble) return false;
    this.#looks += 1;
    if (this.#looks % LOOK_STEPS !== 0 || this.#site.oracle.open > 0) return false;
    this.#isAtRest = this.#restless() === null;
    return this.#isAtRest;
  }

  /** What still has to be done, or null. */
  #restless(): string | null {
    const waiting = this.#users.find(({ pending }) => pending > 0);
    if (waiting) return `${waiting.name} waits for an answer`;
    for (const [jobId, truth] of this.#site.oracle.jobs) {
      if (!truth.end) return `${jobId} has not ended`;
    }
    for (const { kind, name, disk } of this.#network.hosts.values()) {
      if (disk.isOpen) return `${name} writes`;
      if (kind === 'account' && !readFigures(disk)) continue;
      if (kind !== 'account' && kind !== 'scheduler') continue;
      for (const table of ['job', 'mirror']) {
        const [left] = disk.exec(`SELECT count(*) AS rows FROM ${table}`, []);
        if (left?.['rows'] !== 0) return `${name} has ${JSON.stringify(left)} in ${table}`;
      }
    }
    return null;
  }

  #judge(): void {
    const { oracle, database } = this.#site;
    const world = this.#world;
    if (!this.#isAtRest) world.violate('everything comes to rest', this.#restless() ?? 'too late');
    for (const [jobId] of oracle.acknowledged) {
      if (!oracle.jobs.get(jobId)?.end) world.violate('an accepted job ends', jobId);
    }
    for (const { order } of oracle.jobs.values()) {
      if (!oracle.refusedRequests.has(order.requestId)) continue;
      world.violate('what was refused or only asked about never runs', order.id);
    }
    for (const { kind, name, disk } of this.#network.hosts.values()) {
      if (kind === 'account') checkRest(world, { name, disk, jobs: oracle.jobs.values() });
    }
    checkHistory(world, database, oracle);
    const { hosts } = this.#network;
    const diskOf = (kind: string, name: string) => hosts.get(`${kind}:${name}`)?.disk ?? null;
    checkNotices(world, oracle.jobs.values(), diskOf);
  }
}
