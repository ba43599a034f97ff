/**
 * A GPU box: its agent token, its models and its spool, which outlive the agent's process. A
 * supervisor starts the process anew when it crashed, was drained or had its token revoked; it
 * may also take one for dead that is only slow. The box's clock is its own, a little fast or slow.
 */
import type { Kept } from '../../../agent/session/state.ts';
import type { Faults } from '../faults.ts';
import type { Worker } from '../platform/worker.ts';
import type { Owner, World } from '../world.ts';
import { Process } from './process.ts';

export interface Surroundings {
  readonly world: World;
  readonly faults: Faults;
  readonly worker: () => Worker;
}

export interface BoxSpec {
  readonly name: string;
  /** Whether it has every model that is asked for. */
  readonly isWhole: boolean;
  readonly models: readonly string[];
  readonly batchMax: number;
  /** Service times are multiplied by this. */
  readonly speed: number;
}

const RESTART_MS = 8000;

export class Box implements Owner {
  readonly name: string;
  readonly spec: BoxSpec;
  alive = true;
  frozenUntil = 0;
  readonly skewMs = 0;
  /** Results on disk, by lease. */
  spool = new Map<string, Kept>();
  token: string | null = null;
  process: Process | null = null;
  starts = 0;
  /** It has no network before this time. */
  offlineUntil = 0;
  readonly around: Surroundings;
  readonly #zombies: Process[] = [];
  readonly #rate: number;
  readonly #bornAt: number;

  constructor(around: Surroundings, spec: BoxSpec) {
    this.around = around;
    this.spec = spec;
    this.name = spec.name;
    this.#rate = around.faults.clockRate();
    this.#bornAt = around.world.now;
  }

  get isWhole(): boolean {
    return this.spec.isWhole;
  }

  readonly isOffline = (): boolean => this.offlineUntil > this.around.world.now;

  /** Milliseconds of the box's own clock. */
  now(): number {
    return (this.around.world.now - this.#bornAt) * this.#rate + 1000;
  }

  /** How long the world takes until the box's clock says `at`. */
  until(at: number): number {
    return Math.max(0, (at - this.now()) / this.#rate);
  }

  start(token: string): void {
    this.token = token;
    this.starts += 1;
    this.process = new Process(this, token);
    this.process.begin();
  }

  /** The process dies at once; its spool and token stay. */
  crash(): void {
    if (!this.process) return;
    this.around.world.note('crash', this.process.name);
    this.process.end();
    this.#restart();
  }

  /** Its process is taken for dead and another one started; in truth it was only slow. */
  replace(ms: number): void {
    const { process, token } = this;
    if (!process || token === null) return;
    process.pause(this.around.world.now + ms);
    this.#zombies.push(process);
    // A data folder belongs to one process: the next one gets its own.
    this.spool = new Map();
    this.start(token);
  }

  /** Nobody is left that was taken for dead. */
  endZombies(): void {
    for (const zombie of this.#zombies.splice(0)) zombie.end();
  }

  /** A process ended by itself. */
  onExit(process: Process, reason: string): void {
    this.around.world.note('exit', `${process.name}: ${reason}`);
    if (process !== this.process) return;
    if (reason === 'unauthorized') this.token = null;
    this.#restart();
  }

  #restart(): void {
    this.process = null;
    const { world, faults } = this.around;
    world.afterSync(1000 + faults.spanMs(RESTART_MS), {
      owner: this,
      what: 'supervisor',
      act: () => {
        if (this.token !== null && !this.process) this.start(this.token);
      },
    });
  }
}
