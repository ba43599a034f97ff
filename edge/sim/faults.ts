/**
 * What goes wrong in a world, and how often: drawn from its seed. Some worlds are calm, most have
 * a few troubles, some have all. When `trouble` is over everything works, so that a world must
 * come to rest. Every fault that strikes is counted.
 */
import type { Random } from './random.ts';
import type { World } from './world.ts';

/** Shares are of one; spans are milliseconds. */
export interface Profile {
  readonly rpcMs: number;
  readonly httpMs: number;
  readonly rpcLoss: number;
  readonly httpLoss: number;
  readonly httpDouble: number;
  /** Share of an object's calls during which it crashes. */
  readonly rpcCrash: number;
  /** Share of calls that outlive their caller and come when it may have a new life. */
  readonly rpcStray: number;
  /** Share of requests a copy of which comes much later. */
  readonly httpStray: number;
  /** Share of messages that take far longer. */
  readonly slow: number;
  /** Share of an object's turns after which it crashes. */
  readonly crash: number;
  /** Typical time until a write is durable; 0 commits each turn at its end. */
  readonly commitMs: number;
  readonly alarmLate: number;
  readonly alarmTwice: number;
  readonly databaseError: number;
  readonly bucketError: number;
  /** Largest difference of an object's clock from true time. */
  readonly skewMs: number;
  /** Largest error of a box's clock, as a share of time. */
  readonly drift: number;
  readonly engineFailure: number;
  /** Share of runs in which the agent dies with its engine. */
  readonly deadly: number;
}

const CALM: Profile = {
  rpcMs: 2,
  httpMs: 20,
  rpcLoss: 0,
  httpLoss: 0,
  httpDouble: 0,
  rpcCrash: 0,
  rpcStray: 0,
  httpStray: 0,
  slow: 0,
  crash: 0,
  commitMs: 0,
  alarmLate: 0,
  alarmTwice: 0,
  databaseError: 0,
  bucketError: 0,
  skewMs: 0,
  drift: 0,
  engineFailure: 0,
  deadly: 0,
};

/** Share of worlds without faults: in these the strictest rules are checked. */
const CALM_SHARE = 0.15;

/** The troubles of a world; each is there in some worlds, weak or strong. */
export function drawProfile(random: Random): Profile {
  if (random.chance(CALM_SHARE)) return CALM;
  const some = (share: number, values: readonly number[]) =>
    random.chance(share) ? random.pick(values) : 0;
  return {
    rpcMs: random.pick([1, 3, 15]),
    httpMs: random.pick([10, 40, 150]),
    rpcLoss: some(0.6, [0.002, 0.01, 0.05]),
    httpLoss: some(0.6, [0.005, 0.02, 0.1]),
    httpDouble: some(0.5, [0.01, 0.05]),
    rpcCrash: some(0.3, [0.005, 0.02]),
    rpcStray: some(0.6, [0.2, 0.8]),
    httpStray: some(0.5, [0.02, 0.1]),
    slow: some(0.5, [0.005, 0.03]),
    crash: some(0.6, [0.001, 0.005, 0.02]),
    commitMs: some(0.4, [2, 10, 60]),
    alarmLate: some(0.5, [0.1, 0.5]),
    alarmTwice: some(0.5, [0.1, 0.3]),
    databaseError: some(0.4, [0.05, 0.2]),
    bucketError: some(0.3, [0.05, 0.2]),
    skewMs: some(0.4, [50, 1000]),
    drift: some(0.4, [0.0001, 0.001]),
    engineFailure: some(0.5, [0.05, 0.2, 0.5]),
    deadly: some(0.2, [0.05, 0.3]),
  };
}

const SLOW_MS = 6000;
const ALARM_LATE_MS = 8000;
/** A network keeps no call of a dead object for longer; its next life asks and fences by then. */
const RPC_STRAY_MS_MAX = 20_000;
/** Up to a retry, the end of an attempt, the end of a lease. */
const HTTP_STRAY_MS = [3000, 10_000, 60_000] as const;
const SILENCE_MS = [5, 500, 12_000] as const;

/** The faults of one world; see above. */
export class Faults {
  readonly profile: Profile;
  /** While true, faults strike. */
  trouble = true;
  databaseAway = false;
  bucketAway = false;
  readonly #world: World;
  readonly #random: Random;

  constructor(world: World) {
    this.#world = world;
    this.#random = world.random.fork();
    this.profile = drawProfile(world.random.fork());
  }

  get isCalm(): boolean {
    return this.profile === CALM;
  }

  spanMs(typical: number): number {
    return this.#random.span(typical);
  }

  rpcMs(): number {
    return this.#wayMs(this.profile.rpcMs);
  }

  httpMs(): number {
    return this.#wayMs(this.profile.httpMs);
  }

  /** Until a caller gives up on a message that was lost. */
  silenceMs(): number {
    return this.#random.pick(SILENCE_MS);
  }

  losesRpc(what: 'request' | 'answer'): boolean {
    return this.#strikes(this.profile.rpcLoss / 2, `rpc ${what}s lost`);
  }

  losesHttp(what: 'request' | 'answer'): boolean {
    return this.#strikes(this.profile.httpLoss / 2, `http ${what}s lost`);
  }

  doublesHttp(): boolean {
    return this.#strikes(this.profile.httpDouble, 'http requests doubled');
  }

  crashesInCall(): boolean {
    return this.#strikes(this.profile.rpcCrash, 'crashes of callers');
  }

  /** Until a call of a caller that has died comes after all, or null. */
  rpcStrayMs(): number | null {
    const strays = this.#strikes(this.profile.rpcStray, 'rpc requests of the dead');
    return strays ? this.#random.below(RPC_STRAY_MS_MAX) : null;
  }

  /** Until a copy of a request comes that nobody expects any more, or null. */
  httpStrayMs(): number | null {
    const strays = this.#strikes(this.profile.httpStray, 'http requests late');
    return strays ? this.#random.span(this.#random.pick(HTTP_STRAY_MS)) : null;
  }

  crashes(): boolean {
    return this.#strikes(this.profile.crash, 'crashes of objects');
  }

  commitMs(): number {
    const { commitMs } = this.profile;
    return this.trouble && commitMs > 0 ? this.#random.span(commitMs) : 0;
  }

  alarmLateMs(): number {
    const late = this.#strikes(this.profile.alarmLate, 'alarms late');
    return late ? this.#random.span(ALARM_LATE_MS) : this.#random.below(20);
  }

  alarmTwice(): boolean {
    return this.trouble && this.#random.chance(this.profile.alarmTwice);
  }

  databaseFails(): boolean {
    if (this.databaseAway) return true;
    return this.#strikes(this.profile.databaseError, 'database errors');
  }

  bucketFails(): boolean {
    return this.bucketAway || this.#strikes(this.profile.bucketError, 'bucket errors');
  }

  engineFails(): boolean {
    return this.#strikes(this.profile.engineFailure, 'engine failures');
  }

  killsAgent(): boolean {
    return this.#strikes(this.profile.deadly, 'agents that died of a run');
  }

  skewMs(): number {
    const { skewMs } = this.profile;
    return skewMs === 0 ? 0 : this.#random.between(-skewMs, skewMs);
  }

  /** How fast a box's clock runs. */
  clockRate(): number {
    return 1 + (this.#random.unit() * 2 - 1) * this.profile.drift;
  }

  #wayMs(typical: number): number {
    if (this.#strikes(this.profile.slow, 'messages slow')) return this.#random.span(SLOW_MS);
    return 1 + this.#random.span(typical);
  }

  #strikes(share: number, what: string): boolean {
    if (!this.trouble || !this.#random.chance(share)) return false;
    this.#world.count(what);
    return true;
  }
}
