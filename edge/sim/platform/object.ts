/**
 * A Durable Object as the platform runs it: one instance at a time over a disk that outlives it,
 * one alarm, and the output gate: nothing leaves an instance before the writes made so far are
 * committed. A crash takes the instance and what was not committed; what waited for the gate is
 * never sent. An alarm rings at least once: again after a crash or a fault in its handler.
 */
import type { Cancel, Owner, World } from '../world.ts';
import type { Faults } from '../faults.ts';
import { Disk, makeStorage } from './disk.ts';

/** What production code exports: its methods are called by name. */
export type ObjectClass = new (ctx: DurableObjectState, bindings: never) => object;
type Method = (...args: unknown[]) => unknown;

/** A call that an instance has not answered. */
export interface Inbound {
  /** The instance is gone. */
  readonly drop: () => void;
}

const ALARM_RETRY_MS = 2000;

export interface Platform {
  readonly world: World;
  readonly faults: Faults;
  readonly bindings: () => object;
}

/** The place of one object: its disk, and its instance while it has one. */
export class Host {
  readonly kind: string;
  readonly name: string;
  readonly disk: Disk;
  instance: Instance | null = null;
  starts = 0;
  readonly #platform: Platform;
  readonly #make: ObjectClass;
  #ringsAt: number | null = null;
  /** The instance whose alarm handler runs. */
  #handling: Instance | null = null;
  #cancelRing: Cancel = () => {};

  constructor(platform: Platform, of: { kind: string; name: string; make: ObjectClass }) {
    this.#platform = platform;
    this.kind = of.kind;
    this.name = of.name;
    this.#make = of.make;
    this.disk = new Disk(of.kind);
  }

  /** Its instance, made now if there is none. */
  wake(): Instance {
    if (this.instance) return this.instance;
    this.starts += 1;
    const { world } = this.#platform;
    world.count('object starts');
    const instance = new Instance(this, this.#platform);
    this.instance = instance;
    const before = world.current;
    world.current = instance;
    try {
      instance.start(this.#make);
    } catch (error) {
      world.violate('an object starts', `${instance.name}: ${String(error)}`);
    }
    world.current = before;
    return instance;
  }

  /** Ends the instance; what was not committed is lost when `loses`. */
  crash(loses: boolean): void {
    const { instance } = this;
    if (!instance) return;
    const { world } = this.#platform;
    world.note('crash', `${instance.name} ${loses ? 'before' : 'after'} its commit`);
    if (loses && this.disk.isOpen) world.count('commits lost');
    if (loses) this.disk.rollback();
    else instance.commit();
    instance.end();
    this.instance = null;
    const rang = this.#handling === instance;
    this.#handling = null;
    this.setBell();
    if (rang) this.ring(ALARM_RETRY_MS);
  }

  /** Rings at the alarm that is on disk. */
  setBell(): void {
    if (this.disk.isOpen || this.disk.alarmAt === this.#ringsAt) return;
    this.#cancelRing();
    this.#ringsAt = this.disk.alarmAt;
    if (this.#ringsAt === null) return;
    const { world, faults } = this.#platform;
    this.ring(Math.max(0, this.#ringsAt - world.now) + faults.alarmLateMs());
  }

  ring(ms: number): void {
    this.#cancelRing = this.#platform.world.after(ms, {
      owner: () => this.wake(),
      what: 'alarm',
      act: () => this.#answerBell(),
    });
  }

  #answerBell(): void {
    const { world, faults } = this.#platform;
    const instance = this.instance!;
    if (this.#handling) {
      this.ring(ALARM_RETRY_MS);
      return;
    }
    this.#handling = instance;
    world.count('alarms');
    // The alarm is gone for its handler, which may set another; a crash in it rings again.
    if (this.#ringsAt !== null && this.disk.alarmAt === this.#ringsAt) this.disk.setAlarm(null);
    this.#ringsAt = null;
    void instance.invoke('alarm', []).then(
      () => {
        // It is over once that is on disk.
        instance.tell(() => {
          if (this.#handling === instance) this.#handling = null;
        });
        if (!faults.alarmTwice()) return;
        world.count('alarms rung twice');
        this.ring(faults.spanMs(3000));
      },
      (error: unknown) => {
        world.violate('an alarm is handled', `${instance.name}: ${String(error)}`);
        if (this.#handling === instance) this.#handling = null;
        this.ring(ALARM_RETRY_MS);
      },
    );
  }
}

/** One life of an object. */
export class Instance implements Owner {
  readonly name: string;
  readonly host: Host;
  readonly epoch: number;
  readonly skewMs: number;
  readonly targets = new Map<number, object>();
  readonly inbound = new Set<Inbound>();
  alive = true;
  frozenUntil = 0;
  exported = 0;
  readonly #platform: Platform;
  /** What waits for the commit: first what checkers are told, then what leaves. */
  #told: (() => void)[] = [];
  #gated: (() => void)[] = [];
  #object: object | null = null;
  #blocking: Promise<unknown> | null = null;
  #commitIsDue = false;
  #abortedFor: string | null = null;

  constructor(host: Host, platform: Platform) {
    this.host = host;
    this.epoch = host.starts;
    this.name = `${host.kind}:${host.name}@${host.starts}`;
    this.#platform = platform;
    this.skewMs = platform.faults.skewMs();
  }

  start(make: ObjectClass): void {
    const ctx = {
      id: { name: this.host.name, toString: () => this.host.name, equals: () => false },
      storage: makeStorage(this.host.disk, {
        check: () => this.#check(),
        sync: () => this.#sync(),
      }),
      waitUntil: (work: Promise<unknown>) => this.#watch(work),
      blockConcurrencyWhile: (work: () => Promise<unknown>) => {
        const done = work();
        this.#blocking = Promise.all([this.#blocking, done]);
        return done;
      },
      // Agents of this world call by RPC.
      getWebSockets: () => [],
      abort: (reason: string) => {
        this.#abortedFor = reason;
      },
    };
    this.#object = new make(
      ctx as unknown as DurableObjectState,
      this.#platform.bindings() as never,
    );
  }

  /** Calls a method of the object, or of a target that it exported. */
  async invoke(method: string, args: readonly unknown[], target?: number): Promise<unknown> {
    if (this.#blocking) await this.#blocking;
    const on = target === undefined ? this.#object : this.targets.get(target);
    const found = (on as Record<string, unknown> | null | undefined)?.[method];
    if (typeof found !== 'function') throw new Error(`no method ${method}`);
    return (found as Method).apply(on, [...args]);
  }

  /** Lets a message out, once all writes so far are committed. */
  gate(send: () => void): void {
    if (this.host.disk.isOpen) this.#gated.push(send);
    else send();
  }

  /** Tells a checker of something, once it is committed. */
  tell(told: () => void): void {
    this.#told.push(told);
  }

  afterTurn(): void {
    const { faults, world } = this.#platform;
    const { disk } = this.host;
    if (this.#abortedFor !== null) {
      world.violate('state and store stay in step', `${this.name}: ${this.#abortedFor}`);
      this.host.crash(true);
      return;
    }
    if (faults.crashes()) {
      this.host.crash(world.random.chance(0.5));
      return;
    }
    if (!disk.isOpen) {
      this.#release();
      return;
    }
    const commitMs = faults.commitMs();
    if (commitMs === 0 && !this.#commitIsDue) this.commit();
    else if (!this.#commitIsDue) {
      this.#commitIsDue = true;
      world.afterSync(commitMs, { owner: this, what: 'commit', act: () => this.#commitLate() });
    }
  }

  commit(): void {
    this.host.disk.commit();
    this.#release();
    this.host.setBell();
  }

  end(): void {
    this.alive = false;
    this.#told = [];
    this.#gated = [];
    for (const call of this.inbound) call.drop();
    this.inbound.clear();
  }

  #commitLate(): void {
    this.#commitIsDue = false;
    this.commit();
  }

  #release(): void {
    const told = this.#told;
    const gated = this.#gated;
    this.#told = [];
    this.#gated = [];
    for (const tell of told) tell();
    for (const send of gated) send();
  }

  #watch(work: Promise<unknown>): void {
    work.catch((error: unknown) =>
      this.#platform.world.violate('background work ends well', `${this.name}: ${String(error)}`),
    );
  }

  /** Resolves when all writes so far are committed; at once where commits take no time. */
  #sync(): Promise<void> {
    const { world, faults } = this.#platform;
    if (!this.host.disk.isOpen || faults.profile.commitMs === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.gate(() => world.after(0, { owner: this, what: 'is on disk', act: resolve }));
    });
  }

  #check(): void {
    if (!this.alive) throw new Error(`${this.name} is gone`);
  }
}
