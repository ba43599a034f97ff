/**
 * The real side of a run: one pool, its accounts and agents, called as services and agents call
 * them, under a clock that only the run moves. The objects share `Date` with their test; their
 * alarms are set by that clock and fired here once they are due, as the platform would.
 */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import type { LeaseRef } from '#schema/agent-protocol.ts';
import { DAY_MS } from '#schema/limits.ts';
import type { PlanId } from '#schema/plan.ts';
import { parseEnv } from '../../env.ts';
import type { Env } from '../../env.ts';
import type { AgentCredential } from '../../rpc/scheduler.ts';
import { makeAgentId } from '../../io/id.ts';
import { hashSha256, makeSecret } from '../../io/token.ts';
import { bindings, makeAccount, newPool, schedulerOf, stubOf } from '../../test/world.ts';

/** What an agent can run, and how many like jobs at once. */
export interface Gear {
  readonly models: readonly string[];
  readonly batchMax: number;
}

/** Alarms in one sleep: a pool that wakes more often than this is not asleep. */
const ALARMS_MAX = 100;

const TIMINGS = { loadMs: 100, serviceMs: 1000, uploadMs: 10 };

/** An agent's box: its token and the session it has now. */
export class Box {
  readonly gear: Gear;
  readonly credential: AgentCredential;
  readonly pool: string;
  sessionId: string = crypto.randomUUID();

  constructor(pool: string, credential: AgentCredential, gear: Gear) {
    this.pool = pool;
    this.credential = credential;
    this.gear = gear;
  }

  register(holding: LeaseRef[]) {
    const { models, batchMax } = this.gear;
    return schedulerOf(this.pool).register(this.credential, {
      sessionId: this.sessionId,
      version: '1',
      capabilities: {
        gpu: null,
        engines: [{ engine: 'test', version: '1', models: [...models], batchMax }],
      },
      holding,
    });
  }

  async acquire(holding: LeaseRef[]) {
    const { sessionId } = this;
    const body = { sessionId, holding, resident: [], busyMs: 0, waitMs: 0 };
    const poll = await schedulerOf(this.pool).acquire(this.credential, body);
    if (!poll.ok) return poll;
    if (!('answer' in poll.value)) throw new Error('a poll that waits for nothing is answered');
    return { ok: true as const, value: poll.value.answer };
  }

  renew(leases: readonly LeaseRef[]) {
    return schedulerOf(this.pool).renew(this.credential, {
      sessionId: this.sessionId,
      leases: leases.map((lease) => ({ ...lease, progress: null, preview: null })),
      resident: [],
      health: { status: 'ok', message: null, vramFreeMib: null },
    });
  }

  /** How its leases stand; extends none. */
  async control(holding: LeaseRef[]) {
    const { sessionId } = this;
    const body = { sessionId, holding, waitMs: 0 };
    const poll = await schedulerOf(this.pool).control(this.credential, body);
    if (!poll.ok) return poll;
    if (!('answer' in poll.value)) throw new Error('a poll that waits for nothing is answered');
    return { ok: true as const, value: poll.value.answer };
  }

  end(how: EndKind, lease: LeaseRef, more: { steps: number; next: LeaseRef[] | null }) {
    const { sessionId, credential } = this;
    const next = more.next && { resident: [], busyMs: 0, holding: more.next };
    const body = { sessionId, lease, usage: { steps: more.steps }, timings: TIMINGS, next };
    const pool = schedulerOf(this.pool);
    switch (how) {
      case 'complete':
        return pool.complete(credential, { ...body, artifacts: [] });
      case 'fail_retryable':
      case 'fail_finally': {
        const verdict = { code: 'job_failed' as const, detail: '' };
        return pool.fail(credential, { ...body, ...verdict, retryable: how === 'fail_retryable' });
      }
      case 'return':
        return pool.return(credential, { ...body, reason: 'drain' });
    }
  }
}

/** How an agent ends an attempt. */
export type EndKind = 'complete' | 'fail_retryable' | 'fail_finally' | 'return';

/** One pool with its accounts and agents; see above. */
export class System {
  readonly env: Env;
  readonly pool = newPool();
  readonly accounts: Awaited<ReturnType<typeof makeAccount>>[] = [];
  readonly boxes: Box[] = [];
  /** Starts a day, so that a run crosses midnight only when it says so. */
  now = (Math.floor(Date.now() / DAY_MS) + 1) * DAY_MS;
  readonly #realNow = Date.now;

  constructor() {
    this.env = { ...parseEnv(bindings), pools: [this.pool] };
  }

  static async start(plans: readonly PlanId[], gears: readonly Gear[]): Promise<System> {
    const system = new System();
    Date.now = () => system.now;
    for (const plan of plans) system.accounts.push(await makeAccount(plan));
    for (const gear of gears) await system.addBox(gear);
    return system;
  }

  /** The clock is the machine's again. */
  stop(): void {
    Date.now = this.#realNow;
  }

  get scheduler() {
    return schedulerOf(this.pool);
  }

  async addBox(gear: Gear): Promise<Box> {
    const agentId = makeAgentId(this.now);
    const secretHash = await hashSha256(makeSecret());
    await this.scheduler.issueAgent({ agentId, name: 'box', secretHash, requestId: agentId });
    const box = new Box(this.pool, { agentId, secretHash }, gear);
    this.boxes.push(box);
    await box.register([]);
    return box;
  }

  /** Puts an object out of memory; it wakes when it is next called. */
  async evict(what: 'scheduler' | number): Promise<void> {
    // Only one that is awake can be put out.
    if (what === 'scheduler') await this.scheduler.overview();
    else await this.accounts[what]!.object.findCreated('');
    await evictDurableObject(this.#stubOf(what));
  }

  /** Lets time pass; the pool's alarm fires each time that it is due, as often as it is set anew. */
  async sleepUntil(then: number): Promise<void> {
    const stub = this.#stubOf('scheduler');
    for (let count = 0; count < ALARMS_MAX; count++) {
      const at = await runInDurableObject(stub, (_, { storage }) => storage.getAlarm());
      if (at === null || at > then) break;
      this.now = Math.max(this.now, at);
      await runDurableObjectAlarm(stub);
    }
    this.now = then;
  }

  /** Fires all alarms, early as they may be. */
  async fireAlarms(): Promise<void> {
    await runDurableObjectAlarm(this.#stubOf('scheduler'));
    for (const index of this.accounts.keys()) await runDurableObjectAlarm(this.#stubOf(index));
  }

  #stubOf(what: 'scheduler' | number): DurableObjectStub {
    return stubOf(what === 'scheduler' ? this.scheduler : this.accounts[what]!.object);
  }
}
