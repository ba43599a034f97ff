/**
 * The world's one event loop. Everything that happens is an event at a virtual time, with an
 * owner: an object, an invocation of the Worker, a box, a user. Between two events all promises
 * are run to rest, so an event is one turn of its owner and nothing else moves in it.
 * Events of one instant come in an order drawn from the seed. An event of a dead owner is dropped,
 * one of a frozen owner waits. Real time is never read.
 */
import { Random } from './random.ts';
import type { Trace } from './trace.ts';

/** Whoever acts in the world. */
export interface Owner {
  readonly name: string;
  alive: boolean;
  /** It does nothing before this time; what comes for it meanwhile waits. */
  frozenUntil: number;
  /** Its clock, ahead of the world's by so much. */
  readonly skewMs: number;
  /** Called when its turn is over and all promises are at rest. */
  afterTurn?(): void;
  /** Lets a message out at its time. */
  gate?(send: () => void): void;
}

/** Sends a message of an owner: at once, or when its gate opens. */
export function leave(owner: Owner, send: () => void): void {
  if (owner.gate) owner.gate(send);
  else send();
}

/** An owner, or who finds it when the time has come. */
type OwnerOf = Owner | (() => Owner);

interface Happening {
  readonly owner: OwnerOf;
  readonly what: string;
  readonly act: () => void;
}

interface Event {
  readonly at: number;
  readonly tie: number;
  readonly owner: OwnerOf;
  readonly what: string;
  /** Whether it may leave promises to be run. */
  readonly isAsync: boolean;
  act: (() => void) | null;
}

/** Cancels what was scheduled; harmless when it has happened. */
export type Cancel = () => void;

/** A broken rule: which, and how. */
export interface Violation {
  readonly rule: string;
  readonly detail: string;
}

let running: World | null = null;

/** Makes `world` the one that runs; null when it is over. */
function setRunning(world: World | null): void {
  if (world && running) throw new Error('one world at a time');
  running = world;
}

/** The world that runs now in this thread, or null. */
export function findWorld(): World | null {
  return running;
}

/** The world that runs now in this thread. */
export function theWorld(): World {
  if (!running) throw new Error('no world is running');
  return running;
}

export class World {
  now: number;
  readonly random: Random;
  readonly trace: Trace;
  readonly violations: Violation[] = [];
  readonly counts: Record<string, number> = {};
  /** Whose turn it is. */
  current: Owner | null = null;
  steps = 0;
  /** Called after every event. */
  onStep: (owner: Owner) => void = () => {};
  readonly #heap: Event[] = [];

  constructor(start: { seed: number; at: number; trace: Trace }) {
    this.now = start.at;
    this.trace = start.trace;
    this.random = new Random(start.seed);
  }

  /** The clock of whoever's turn it is, epoch ms. */
  wallNow(): number {
    return this.now + (this.current?.skewMs ?? 0);
  }

  count(what: string, by = 1): void {
    this.counts[what] = (this.counts[what] ?? 0) + by;
  }

  violate(rule: string, detail: string): void {
    if (this.violations.some((known) => known.rule === rule && known.detail === detail)) return;
    this.violations.push({ rule, detail });
    this.note('VIOLATION', `${rule}: ${detail}`);
  }

  note(what: string, detail: string): void {
    this.trace.add(`${this.now} ${this.current?.name ?? '-'} ${what} ${detail}`);
  }

  /** Schedules a turn of `owner`; its promises are run to rest after it. */
  after(ms: number, event: Happening): Cancel {
    return this.#push(ms, event, true);
  }

  /** As `after`, for a turn that awaits nothing. */
  afterSync(ms: number, event: Happening): Cancel {
    return this.#push(ms, event, false);
  }

  #push(ms: number, event: Happening, isAsync: boolean): Cancel {
    const at = this.now + Math.max(0, Math.ceil(ms));
    const entry: Event = { at, tie: this.random.uint32(), isAsync, ...event };
    pushHeap(this.#heap, entry);
    return () => {
      entry.act = null;
    };
  }

  /** Runs events until `isOver` or until none is left before `endAt`. */
  run(isOver: () => boolean, endAt: number): void {
    setRunning(this);
    try {
      while (!isOver()) {
        const event = popHeap(this.#heap);
        if (!event) return;
        if (event.at > endAt) {
          pushHeap(this.#heap, event);
          return;
        }
        if (event.act === null) continue;
        this.now = event.at;
        const owner = typeof event.owner === 'function' ? event.owner() : event.owner;
        if (!owner.alive) continue;
        if (owner.frozenUntil > event.at) {
          pushHeap(this.#heap, { ...event, at: owner.frozenUntil });
          continue;
        }
        this.#turn(owner, event, event.act);
      }
    } finally {
      setRunning(null);
      this.current = null;
    }
  }

  #turn(owner: Owner, event: Event, act: () => void): void {
    this.steps += 1;
    this.current = owner;
    this.trace.add(`${event.at} ${owner.name} ${event.what}`);
    act();
    if (event.isAsync) rest();
    if (owner.alive) owner.afterTurn?.();
    this.current = null;
    this.onStep(owner);
  }
}

/**
 * Runs promises until none has anything left to run, without a turn of the machine's event loop.
 * Node has no other name for it; only outside of any promise does it do so.
 */
const rest = (process as unknown as { readonly _tickCallback: () => void })._tickCallback;

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.tie < b.tie);
}

function pushHeap(heap: Event[], event: Event): void {
  let index = heap.length;
  heap.push(event);
  while (index > 0) {
    const parent = (index - 1) >>> 1;
    if (!isBefore(event, heap[parent]!)) break;
    heap[index] = heap[parent]!;
    index = parent;
  }
  heap[index] = event;
}

function popHeap(heap: Event[]): Event | undefined {
  const first = heap[0];
  const last = heap.pop();
  if (!first || !last || heap.length === 0) return first;
  let index = 0;
  for (;;) {
    let child = index * 2 + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
    if (!isBefore(heap[child]!, last)) break;
    heap[index] = heap[child]!;
    index = child;
  }
  heap[index] = last;
  return first;
}
