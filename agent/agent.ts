/**
 * The agent as a whole: a session for each pool that it serves, and the one engine box they share.
 * Asks the engines what they have, tells every session, and after every turn of one decides who
 * has the engine next (turns.ts). A session whose token is refused, or that is drained by the
 * edge, ends alone; the agent is done when all have ended, or when it cannot be trusted any more.
 */
import type { Health } from '#schema/agent-protocol.ts';
import { assert } from '#schema/assert.ts';
import type { PoolId } from '#schema/id.ts';
import { DISCOVER_MS, TURN_STEPS_MAX } from './limits.ts';
import type { Exit, SessionParts, SharedParts } from './run.ts';
import { AgentLoop } from './run.ts';
import { runEndsAt } from './session/forecast.ts';
import type { Happening, Session } from './session/state.ts';
import { lendEngine } from './turns.ts';

interface Member {
  readonly loop: AgentLoop;
  readonly edge: SessionParts['edge'];
  exit: Exit | null;
}

/** A session of the agent, as its operator sees it. */
export interface Served {
  readonly pool: PoolId;
  readonly session: Session;
  /** Why it ended, or null. */
  readonly left: Exit['reason'] | null;
}

export class Agent {
  /** Settles when the agent is to leave. */
  readonly done: Promise<Exit>;
  readonly #parts: SharedParts;
  readonly #members: readonly Member[];
  readonly #goodbyes: Promise<void>[] = [];
  #leave: (exit: Exit) => void;
  #cancelDiscover = () => {};
  #observed = '';
  /** The place of the session that had the engine last. */
  #last = 0;
  #sharing = false;
  #again = false;

  constructor(parts: SharedParts, pools: readonly SessionParts[]) {
    assert(pools.length > 0, 'an agent serves a pool');
    this.#parts = parts;
    const { promise, resolve } = Promise.withResolvers<Exit>();
    this.done = promise;
    this.#leave = resolve;
    this.#members = pools.map((own): Member => {
      const loop: AgentLoop = new AgentLoop(
        { ...parts, ...own },
        {
          onTurn: () => this.#onTurn(),
          onEngine: () => this.#observe(),
          discover: () => this.#discover(),
          onExit: (exit) => this.#onExit(loop, exit),
        },
      );
      return { loop, edge: own.edge, exit: null };
    });
  }

  start(): void {
    this.#observe();
    this.#tell({ type: 'tick' });
    this.#scheduleDiscover();
  }

  /** Takes no more jobs; `done` settles when what runs is finished or given back. */
  drain(): void {
    this.#tell({ type: 'drain' });
  }

  /** Ends every call and run at once; tells nobody. */
  stop(): void {
    this.#cancelDiscover();
    for (const { loop } of this.#members) loop.stop();
  }

  /** Resolves when the files of every lease are as they are to be. */
  async settled(): Promise<void> {
    await Promise.all(this.#members.map(({ loop }) => loop.settled()));
  }

  /** Resolves when the edge was told of every session that left in order. */
  async goodbyes(): Promise<void> {
    await Promise.all(this.#goodbyes);
  }

  served(): readonly Served[] {
    return this.#members.map(({ loop, exit }) => ({
      pool: loop.pool,
      session: loop.state(),
      left: exit?.reason ?? null,
    }));
  }

  /** Undelivered results on disk. */
  spooled(): number {
    return this.#members.reduce((sum, { loop }) => sum + loop.spooled, 0);
  }

  #tell(event: Happening): void {
    for (const { loop } of this.#members) loop.dispatch(event);
  }

  #onTurn(): void {
    this.#parts.metrics.onState(this.served());
    if (this.#sharing) {
      this.#again = true;
      return;
    }
    if (this.#members.length === 1) return;
    try {
      this.#share();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    this.#parts.log.error('agent.fault', { detail: error });
    this.#leave({ code: 1, reason: 'fault' });
  }

  /** Tells every session whether the engine is lent, until nobody has anything new to hear. */
  #share(): void {
    this.#sharing = true;
    try {
      let steps = 0;
      do {
        assert(steps++ < TURN_STEPS_MAX, 'the turn on the engine comes to rest');
        this.#again = false;
        this.#lend();
      } while (this.#again);
    } finally {
      this.#sharing = false;
    }
  }

  #lend(): void {
    const claims = this.#members.map(({ loop }) => {
      const state = loop.state();
      const waits = state.leases.some(({ phase }) => phase === 'waiting');
      return { runs: loop.runs, waits: waits && !state.exited, endsAt: runEndsAt(state) };
    });
    const runner = claims.findIndex(({ runs }) => runs);
    if (runner !== -1) this.#last = runner;
    const lent = lendEngine(claims, this.#last);
    for (const [place, { loop }] of this.#members.entries()) {
      const is = lent[place]!;
      const { lent: was, exited } = loop.state();
      if (exited || JSON.stringify(is) === JSON.stringify(was)) continue;
      loop.dispatch({ type: 'lent', lent: is });
      // It may have begun a run: what the others are to know is another thing now.
      return;
    }
  }

  #onExit(loop: AgentLoop, exit: Exit): void {
    if (exit.code === 1) {
      this.#leave(exit);
      return;
    }
    const member = this.#members.find((other) => other.loop === loop);
    assert(member, 'a loop is of this agent');
    if (member.exit) return;
    member.exit = exit;
    loop.stop();
    const { log, metrics } = this.#parts;
    const { reason } = exit;
    log[exit.code === 0 ? 'info' : 'error']('session.end', { pool: loop.pool, reason });
    metrics.onState(this.served());
    const { sessionId } = loop.state();
    if (exit.code === 0) this.#goodbyes.push(member.edge.leave(sessionId));
    const exits = this.#members.map((other) => other.exit);
    if (exits.some((other) => other === null)) return;
    // Of several, one that left in order is enough to say that the agent did.
    this.#leave(exits.find((other) => other?.code === 0) ?? exit);
  }

  /** An engine came up or went away: asks them all anew. */
  look(): void {
    this.#discover().catch((error: unknown) => this.#fail(error));
  }

  async #discover(): Promise<void> {
    const capabilities = await this.#parts.fleet.discover();
    this.#tell({ type: 'discovered', capabilities });
    this.#observe();
  }

  #scheduleDiscover(): void {
    this.#cancelDiscover = this.#parts.clock.after(DISCOVER_MS, () => {
      this.#look().then(
        () => this.#scheduleDiscover(),
        (error: unknown) => this.#fail(error),
      );
    });
  }

  async #look(): Promise<void> {
    await this.#discover();
    const idle = this.#members.every(({ loop }) => !loop.runs);
    if (idle && (await this.#parts.fleet.survey())) await this.#discover();
  }

  /** Tells the sessions which models are loaded and how the box does, when that changed. */
  #observe(): void {
    const { fleet, metrics } = this.#parts;
    const engines = fleet.engines();
    metrics.onEngines(engines, this.spooled());
    const away = engines.filter((engine) => engine.away);
    // Without the seconds that a trouble counts down, else every look would be news.
    const words = away.map(({ name, trouble }) =>
      trouble === null ? name : `${name} (${trouble.split(';')[0]})`,
    );
    const health: Health = {
      status: away.length === 0 ? 'ok' : 'degraded',
      message: away.length === 0 ? null : `away: ${words.join(', ')}`.slice(0, 500),
      vramFreeMib: fleet.vramFreeMib(),
    };
    const resident = fleet.resident();
    const told = JSON.stringify([resident, health]);
    if (told === this.#observed) return;
    this.#observed = told;
    this.#tell({ type: 'observed', resident, health });
  }
}
