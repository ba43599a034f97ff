/**
 * The life of one engine process, decided purely: down, starting, up, stopping, resting. It is
 * started when wanted, counts as up when it answers, is ended when it is late, silent or not
 * wanted, first asked (SIGTERM), then made to (SIGKILL). One that ends by itself rests before it
 * is started again, each time longer; one that keeps ending is out for a while, and its models
 * are withdrawn. A process that is told to end is waited for: there are never two.
 */
import { assert } from '#schema/assert.ts';
import type { Signal } from './limits.ts';
import {
  CRASH_WINDOW_MS,
  CRASHES_MAX,
  GRACE_MS,
  MISSES_MAX,
  OUT_MS,
  REST_MS_MAX,
  REST_MS_MIN,
} from './limits.ts';

export type Phase =
  | { readonly name: 'down' }
  | { readonly name: 'starting'; readonly lateAt: number }
  /** `misses`: questions in a row that it left without an answer. */
  | { readonly name: 'up'; readonly misses: number }
  /** `crashed`: it is ended because it failed, and rests then. */
  | {
      readonly name: 'stopping';
      readonly killAt: number;
      readonly killed: boolean;
      readonly crashed: boolean;
    }
  /** `out`: it failed so often that its models are withdrawn. */
  | { readonly name: 'resting'; readonly until: number; readonly out: boolean };

export interface Life {
  readonly phase: Phase;
  readonly wanted: boolean;
  /** When it failed lately, oldest first. */
  readonly crashes: readonly number[];
  /** How long a start may take, ms. */
  readonly startMs: number;
}

export type LifeEvent =
  /** Somebody needs it. */
  | { readonly type: 'want' }
  /** Its memory is needed. */
  | { readonly type: 'unwant' }
  /** Its process is gone, with all that it started. */
  | { readonly type: 'exited' }
  | { readonly type: 'answered' }
  /** It was asked while it had nothing to do, and did not answer. */
  | { readonly type: 'silent' }
  /** It does not let go of a job that is over. */
  | { readonly type: 'wedged' }
  | { readonly type: 'tick' };

export type LifeAction =
  | { readonly do: 'spawn' }
  | { readonly do: 'signal'; readonly signal: Signal }
  | { readonly do: 'tell'; readonly what: LifeNews };

/** What the operator and those who wait are told. */
export type LifeNews = 'up' | 'late' | 'hung' | 'crashed' | 'out' | 'down';

export interface LifeStep {
  readonly life: Life;
  readonly actions: readonly LifeAction[];
}

const SPAWN: LifeAction = { do: 'spawn' };
const TERM: LifeAction = { do: 'signal', signal: 'SIGTERM' };
const KILL: LifeAction = { do: 'signal', signal: 'SIGKILL' };
const tell = (what: LifeNews): LifeAction => ({ do: 'tell', what });

/** A process that nobody has wanted yet. */
export function createLife(startMs: number): Life {
  return { phase: { name: 'down' }, wanted: false, crashes: [], startMs };
}

/** What an event changes, and what is to be done; `random` in [0, 1) spreads the rests. */
export function step(
  life: Life,
  event: LifeEvent,
  { at, random }: { readonly at: number; readonly random: number },
): LifeStep {
  const { phase } = life;
  switch (event.type) {
    case 'want':
      return startIfWanted({ ...life, wanted: true }, at);
    case 'unwant': {
      const idle = { ...life, wanted: false };
      const runs = phase.name === 'starting' || phase.name === 'up';
      return runs ? end(idle, at, { crashed: false }) : { life: idle, actions: [] };
    }
    case 'exited':
      return onExit(life, at, random);
    case 'answered':
      if (phase.name === 'up') return still({ ...life, phase: { name: 'up', misses: 0 } });
      if (phase.name !== 'starting') return still(life);
      return { life: { ...life, phase: { name: 'up', misses: 0 } }, actions: [tell('up')] };
    case 'silent': {
      if (phase.name !== 'up') return still(life);
      const misses = phase.misses + 1;
      if (misses < MISSES_MAX) return still({ ...life, phase: { name: 'up', misses } });
      return withNews('hung', end(life, at, { crashed: true }));
    }
    case 'wedged': {
      if (phase.name !== 'up') return still(life);
      const stopping = { name: 'stopping', killAt: at, killed: true, crashed: true } as const;
      return { life: { ...life, phase: stopping }, actions: [tell('hung'), KILL] };
    }
    case 'tick':
      return onTick(life, at);
  }
}

/** When a `tick` is due, or null. */
export function wakeAt({ phase }: Life): number | null {
  switch (phase.name) {
    case 'starting':
      return phase.lateAt;
    case 'stopping':
      return phase.killed ? null : phase.killAt;
    case 'resting':
      return phase.until;
    case 'down':
    case 'up':
      return null;
  }
}

/** Whether a process is there, hence may hold memory. */
export function isAlive({ phase }: Life): boolean {
  return phase.name === 'starting' || phase.name === 'up' || phase.name === 'stopping';
}

function still(life: Life): LifeStep {
  return { life, actions: [] };
}

function withNews(what: LifeNews, { life, actions }: LifeStep): LifeStep {
  return { life, actions: [tell(what), ...actions] };
}

function startIfWanted(life: Life, at: number): LifeStep {
  if (!life.wanted || life.phase.name !== 'down') return still(life);
  const phase = { name: 'starting', lateAt: at + life.startMs } as const;
  return { life: { ...life, phase }, actions: [SPAWN] };
}

function end(life: Life, at: number, { crashed }: { readonly crashed: boolean }): LifeStep {
  const phase = { name: 'stopping', killAt: at + GRACE_MS, killed: false, crashed } as const;
  return { life: { ...life, phase }, actions: [TERM] };
}

function onExit(life: Life, at: number, random: number): LifeStep {
  const { phase } = life;
  assert(isAlive(life), 'only a process that was started ends');
  if (phase.name === 'stopping' && !phase.crashed) {
    const next = startIfWanted({ ...life, phase: { name: 'down' } }, at);
    return withNews('down', next);
  }
  const crashes = [...life.crashes, at].filter((when) => at - when < CRASH_WINDOW_MS);
  const out = crashes.length >= CRASHES_MAX;
  const longest = Math.min(REST_MS_MAX, REST_MS_MIN * 2 ** (crashes.length - 1));
  const until = at + (out ? OUT_MS : (longest * (1 + random)) / 2);
  const rested = { ...life, phase: { name: 'resting', until, out } as const };
  // After its time out it starts with a clean sheet, and has to earn the next one.
  return {
    life: { ...rested, crashes: out ? [] : crashes },
    actions: [tell('crashed'), ...(out ? [tell('out')] : [])],
  };
}

function onTick(life: Life, at: number): LifeStep {
  const { phase } = life;
  const due = wakeAt(life);
  if (due === null || at < due) return still(life);
  switch (phase.name) {
    case 'starting':
      return withNews('late', end(life, at, { crashed: true }));
    case 'stopping':
      return { life: { ...life, phase: { ...phase, killed: true } }, actions: [KILL] };
    case 'resting':
      return startIfWanted({ ...life, phase: { name: 'down' } }, at);
    case 'down':
    case 'up':
      return still(life);
  }
}
