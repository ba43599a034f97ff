/**
 * Whoever runs the service, and bad luck: opens accounts and issues agents by the edge's own
 * verbs, deploys, drains and revokes; kills objects and boxes, freezes them, takes Postgres, R2
 * and engines away for a while. When the trouble is over it puts everything in order.
 */
import type { Env } from '../../env.ts';
import { createAccount } from '../../services/create-account.ts';
import { drainAgent } from '../../services/drain-agent.ts';
import { issueAgent } from '../../services/issue-agent.ts';
import { revokeAgent } from '../../services/revoke-agent.ts';
import type { PlanId } from '#schema/plan.ts';
import type { Network } from '../platform/network.ts';
import type { Random } from '../random.ts';
import type { Owner } from '../world.ts';
import type { Box, Surroundings } from './box.ts';

const TIMEOUT_MS = 15_000;

export class Operator implements Owner {
  readonly name = 'operator';
  readonly skewMs = 0;
  alive = true;
  frozenUntil = 0;
  readonly #around: Surroundings;
  readonly #network: Network;
  readonly #random: Random;
  readonly #deploy: (pools?: string) => void;
  readonly #spare: () => Box;
  readonly #boxes: Box[] = [];
  readonly #issuing = new Set<Box>();
  readonly #agentIds = new Map<Box, string>();
  #requests = 0;

  constructor(
    around: Surroundings,
    parts: { network: Network; deploy: (pools?: string) => void; spare: () => Box },
  ) {
    this.#spare = parts.spare;
    this.#around = around;
    this.#network = parts.network;
    this.#deploy = parts.deploy;
    this.#random = around.world.random.fork();
  }

  openAccount(plan: PlanId, done: (account: { id: string; apiKey: string }) => void): void {
    const about = (now: number) => ({ requestId: this.#requestId(), now });
    this.#ask(
      'open account',
      (env) => createAccount(env, { name: plan, plan }, about(Date.now())),
      {
        hear: (value) => {
          const { id, api_key: apiKey } = value as { id: string; api_key: string };
          done({ id, apiKey });
        },
      },
    );
  }

  /** Gives a box a token and starts its agent. */
  equip(box: Box): void {
    if (!this.#boxes.includes(box)) this.#boxes.push(box);
    if (this.#issuing.has(box)) return;
    this.#issuing.add(box);
    const work = (env: Env) =>
      issueAgent(env, { name: box.name }, { requestId: this.#requestId(), now: Date.now() });
    this.#ask('issue agent', work, {
      hear: (value) => {
        this.#issuing.delete(box);
        const issued = value as { value: { id: string; token: string } };
        this.#agentIds.set(box, issued.value.id);
        box.start(issued.value.token);
        if (!this.#around.faults.trouble) this.#cover();
      },
    });
  }

  /** Something happens every so often until `untilMs` from now. */
  disturb(untilMs: number): void {
    const { world, faults } = this.#around;
    if (faults.isCalm) return;
    const count = this.#random.below(9);
    for (let index = 0; index < count; index += 1) {
      world.after(this.#random.below(untilMs), {
        owner: this,
        what: 'disturbs',
        act: () => this.#strike(),
      });
    }
  }

  /** Postgres, R2, engines and boxes are back, and no box stays without an agent. */
  mend(): void {
    const { faults } = this.#around;
    faults.trouble = false;
    faults.databaseAway = false;
    faults.bucketAway = false;
    for (const box of this.#boxes) {
      box.frozenUntil = Math.min(box.frozenUntil, this.#around.world.now);
      box.endZombies();
      box.offlineUntil = 0;
      if (box.process) box.process.engine.isAway = false;
      if (box.token === null) this.equip(box);
    }
    this.#cover();
  }

  /** A pool in which no box has every model gets one more, or its jobs would wait for ever. */
  #cover(): void {
    const { pools } = this.#around.worker().env;
    const isCovered = (pool: string) =>
      this.#boxes.some(({ token, isWhole }) => isWhole && token?.split('_')[1] === pool);
    if (this.#issuing.size === 0 && !pools.every(isCovered)) this.equip(this.#spare());
  }

  #strike(): void {
    const { world, faults } = this.#around;
    const blows: readonly (readonly [string, () => void])[] = [
      ['kill', () => this.#kill()],
      ['kill', () => this.#kill()],
      ['deploy', () => this.#deploy()],
      ['crash of a box', () => this.#box()?.crash()],
      ['crash of a box', () => this.#box()?.crash()],
      ['freeze of a box', () => this.#freeze()],
      ['freeze of a box', () => this.#freeze()],
      ['zombie', () => this.#box()?.replace(this.#random.pick([3000, 30_000, 150_000]))],
      ['zombie', () => this.#box()?.replace(this.#random.pick([3000, 30_000, 150_000]))],
      ['box offline', () => this.#cutOff()],
      ['box offline', () => this.#cutOff()],
      ['drain', () => this.#drain()],
      ['signal to a box', () => this.#box()?.process?.feed({ type: 'drain' })],
      ['revocation', () => this.#revoke()],
      ['Postgres away', () => this.#away((away) => (faults.databaseAway = away))],
      ['R2 away', () => this.#away((away) => (faults.bucketAway = away))],
      ['engine away', () => this.#takeEngine()],
    ];
    const [what, strike] = this.#random.pick(blows);
    world.count(what);
    world.note('strikes', what);
    strike();
  }

  #kill(): void {
    const hosts = [...this.#network.hosts.values()].filter(({ instance }) => instance !== null);
    if (hosts.length > 0) this.#random.pick(hosts).crash(this.#random.chance(0.5));
  }

  #box(): Box | null {
    return this.#boxes.length === 0 ? null : this.#random.pick(this.#boxes);
  }

  #cutOff(): void {
    const box = this.#box();
    if (box)
      box.offlineUntil = this.#around.world.now + this.#random.pick([20_000, 100_000, 200_000]);
  }

  #freeze(): void {
    const box = this.#box();
    if (!box) return;
    const ms = this.#random.pick([5000, 40_000, 120_000, 240_000]);
    box.frozenUntil = this.#around.world.now + ms;
  }

  #takeEngine(): void {
    const engine = this.#box()?.process?.engine;
    if (!engine) return;
    this.#away((away) => {
      engine.isAway = away;
    });
  }

  #away(set: (away: boolean) => void): void {
    set(true);
    this.#around.world.after(this.#random.between(5, 200) * 1000, {
      owner: this,
      what: 'mends',
      act: () => set(false),
    });
  }

  #drain(): void {
    const box = this.#box();
    const agentId = box && this.#agentIds.get(box);
    if (!agentId) return;
    this.#ask('drain', (env) => drainAgent(env, agentId, { requestId: this.#requestId() }), {});
  }

  #revoke(): void {
    const box = this.#box();
    const agentId = box && this.#agentIds.get(box);
    if (!box || !agentId) return;
    this.#ask('revoke', (env) => revokeAgent(env, agentId, { requestId: this.#requestId() }), {});
    this.#around.world.after(20_000 + this.#random.below(60_000), {
      owner: this,
      what: 'replaces a token',
      act: () => this.#replace(box),
    });
  }

  /** Once its agent has left, the box gets a new token. */
  #replace(box: Box): void {
    if (box.token === null) {
      this.equip(box);
      return;
    }
    this.#around.world.after(30_000, {
      owner: this,
      what: 'looks after a box',
      act: () => this.#replace(box),
    });
  }

  /** Asks again until there is an answer. */
  #ask(
    name: string,
    handle: (env: Env) => Promise<unknown>,
    then: { hear?: (value: unknown) => void },
  ): void {
    this.#around.worker().request({
      client: this,
      name,
      text: '',
      timeoutMs: TIMEOUT_MS,
      handle,
      hear: (reply) => {
        if (reply.ok) {
          then.hear?.(reply.value);
          return;
        }
        this.#around.world.after(2000, {
          owner: this,
          what: 'asks again',
          act: () => this.#ask(name, handle, then),
        });
      },
    });
  }

  #requestId(): string {
    this.#requests += 1;
    return `req_operator_${this.#requests}`;
  }
}
