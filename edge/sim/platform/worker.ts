/**
 * The Worker: a short life for every request, with nothing kept between two. A request and its
 * answer cross a bad network: lost, doubled, late, in any order. When its client leaves or a
 * deploy comes, a request ends where it is, and the stubs that it holds are disposed of.
 */
import type { ErrorCode } from '#schema/error.ts';
import type { Env } from '../../env.ts';
import type { Faults } from '../faults.ts';
import type { Cancel, Owner, World } from '../world.ts';
import type { Network } from './network.ts';

/** What a client hears. */
export type Reply =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly code: ErrorCode | null; readonly detail: string };

export interface Exchange {
  readonly client: Owner;
  readonly name: string;
  /** What is sent, as text: it is part of the trace. */
  readonly text: string;
  readonly timeoutMs: number;
  /** Whether the client is cut off: nothing that it sends arrives, nor what is sent to it. */
  readonly isOffline?: () => boolean;
  /** Runs in the Worker; throws `Refused`, or anything else for `internal`. */
  readonly handle: (env: Env) => Promise<unknown>;
  /** Runs at the client, once. */
  readonly hear: (reply: Reply) => void;
}

/** An answer that says no. */
export class Refused extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, detail = code as string) {
    super(detail);
    this.code = code;
  }
}

class Invocation implements Owner {
  readonly name: string;
  readonly skewMs: number;
  alive = true;
  frozenUntil = 0;
  readonly leave: () => void;

  constructor(name: string, skewMs: number, leave: () => void) {
    this.name = name;
    this.skewMs = skewMs;
    this.leave = leave;
  }
}

const ABORT_UNNOTICED = 0.2;

export class Worker {
  /** As of the last deploy. */
  env: Env;
  readonly #world: World;
  readonly #faults: Faults;
  readonly #network: Network;
  readonly #running = new Set<Invocation>();
  #started = 0;

  constructor(world: World, faults: Faults, parts: { network: Network; env: Env }) {
    this.#world = world;
    this.#faults = faults;
    this.#network = parts.network;
    this.env = parts.env;
  }

  /** Sends a request; the client may give it up. */
  request(exchange: Exchange): Cancel {
    const { client, name, hear, timeoutMs } = exchange;
    const mine = new Set<Invocation>();
    let isOver = false;
    const finish = (reply: Reply) => {
      if (isOver) return;
      isOver = true;
      cancelTimeout();
      hear(reply);
    };
    const giveUp = (detail: string) => finish({ ok: false, code: null, detail });
    const cancelTimeout = this.#world.afterSync(timeoutMs, {
      owner: client,
      what: `times out on ${name}`,
      act: () => {
        giveUp('no answer in time');
        this.#leave(mine);
      },
    });
    this.#world.note('request', `${name} ${exchange.text}`);
    const copies = this.#faults.doublesHttp() ? 2 : 1;
    for (let copy = 0; copy < copies; copy += 1) this.#send(exchange, mine, { finish, giveUp });
    const lateMs = this.#faults.httpStrayMs();
    if (lateMs !== null) this.#sendLate(exchange, lateMs);
    return () => {
      isOver = true;
      cancelTimeout();
      this.#leave(mine);
    };
  }

  /** Every request ends; what they were doing is not undone. */
  deploy(env: Env): void {
    this.env = env;
    for (const invocation of this.#running) {
      this.#end(invocation);
      invocation.leave();
    }
  }

  #send(
    exchange: Exchange,
    mine: Set<Invocation>,
    to: { finish: (reply: Reply) => void; giveUp: (detail: string) => void },
  ): void {
    const { client, name } = exchange;
    this.#world.count('messages');
    const cut = (detail: string) =>
      this.#world.afterSync(this.#faults.httpMs(), {
        owner: client,
        what: `loses ${name}`,
        act: () => to.giveUp(detail),
      });
    if (exchange.isOffline?.()) return;
    if (this.#faults.losesHttp('request')) {
      if (this.#faults.silenceMs() < 100) cut('connection reset');
      return;
    }
    const invocation = this.#invoke(exchange, this.#faults.httpMs(), {
      leave: () => void cut('the server went away'),
      finish: to.finish,
    });
    mine.add(invocation);
  }

  /**
   * A copy of a request comes when its client has had an answer, has given up or is gone: also what
   * was sent without a network, once there is one. Nobody hears what came of it.
   */
  #sendLate(exchange: Exchange, ms: number): void {
    this.#invoke(exchange, ms, { leave: () => {}, finish: null });
  }

  #invoke(
    exchange: Exchange,
    ms: number,
    to: { readonly leave: () => void; readonly finish: ((reply: Reply) => void) | null },
  ): Invocation {
    this.#started += 1;
    const name = `worker:${this.#started}`;
    const invocation = new Invocation(name, this.#faults.skewMs(), to.leave);
    this.#running.add(invocation);
    this.#world.after(ms, {
      owner: invocation,
      what: `${exchange.name} of ${exchange.client.name}`,
      act: () =>
        void this.#run(exchange).then((reply) => {
          this.#end(invocation);
          if (to.finish) this.#reply(exchange, reply, to.finish);
        }),
    });
    return invocation;
  }

  async #run(exchange: Exchange): Promise<Reply> {
    try {
      return { ok: true, value: await exchange.handle(this.env) };
    } catch (error) {
      if (error instanceof Refused) return { ok: false, code: error.code, detail: error.message };
      this.#world.count(`internal error: ${String(error)}`);
      return { ok: false, code: 'internal', detail: String(error) };
    }
  }

  #reply(exchange: Exchange, reply: Reply, finish: (reply: Reply) => void): void {
    const { client, name, isOffline } = exchange;
    const text = JSON.stringify(reply);
    this.#world.count('messages');
    this.#world.note('reply', `${name} to ${client.name} ${text}`);
    if (this.#faults.losesHttp('answer')) return;
    this.#world.afterSync(this.#faults.httpMs(), {
      owner: client,
      what: `hears ${name}`,
      act: () => {
        if (!isOffline?.()) finish(JSON.parse(text) as Reply);
      },
    });
  }

  /** A client's leaving is noticed after a while, or not at all. */
  #leave(mine: ReadonlySet<Invocation>): void {
    for (const invocation of mine) {
      if (!invocation.alive) continue;
      if (this.#faults.trouble && this.#world.random.chance(ABORT_UNNOTICED)) continue;
      this.#world.afterSync(this.#faults.httpMs(), {
        owner: invocation,
        what: 'sees its client leave',
        act: () => this.#end(invocation),
      });
    }
  }

  #end(invocation: Invocation): void {
    invocation.alive = false;
    this.#running.delete(invocation);
    this.#network.release(invocation);
  }
}
