/**
 * Accounts, agents and orders against the real Durable Objects, for tests. Storage is shared by
 * a file's tests, so each world has a pool and accounts of its own.
 */
import { env } from 'cloudflare:workers';
import type { LeaseRef } from '#schema/agent-protocol.ts';
import type { ImageSpec } from '#schema/job.ts';
import type { PlanId } from '#schema/plan.ts';
import type { JobOrder } from '#schema/record.ts';
import type { Bindings } from '../env.ts';
import type { AccountObject, Caller, SubmitInput } from '../rpc/account.ts';
import type { ConversationObject } from '../rpc/conversation.ts';
import type { CourierObject } from '../rpc/courier.ts';
import type { FeedObject } from '../rpc/feed.ts';
import { pack, unpack } from '../rpc/packed.ts';
import type { AgentCredential, EnqueueOptions, SchedulerObject } from '../rpc/scheduler.ts';
import { imageSpec } from '../core/fixture.ts';
import { makeAccountId, makeAgentId, makeApiKeyId, makeJobId } from '../io/id.ts';
import { hashSha256, makeSecret } from '../io/token.ts';

export const bindings = env as unknown as Bindings;

/** A 512x512 picture: 0.25 tokens. */
export const SPEC: ImageSpec = { ...imageSpec('painter'), width: 512, height: 512 };

/** A pool name that no other test has. */
export function newPool(): string {
  return `p${makeSecret()
    .replace(/[^a-z0-9]/g, '')
    .slice(0, 12)}`;
}

export function schedulerOf(pool: string) {
  return bindings.SCHEDULER.getByName(pool);
}

/** The stub behind an object, for the test runtime's own calls. */
export function stubOf(
  object: AccountObject | SchedulerObject | FeedObject | CourierObject | ConversationObject,
): DurableObjectStub {
  return object as unknown as DurableObjectStub;
}

/** A new account with one key. */
export async function makeAccount(plan: PlanId = 'pro') {
  const id = makeAccountId(Date.now());
  const secret = makeSecret();
  const secretHash = await hashSha256(secret);
  const apiKeyId = makeApiKeyId(Date.now());
  const object = bindings.ACCOUNT.getByName(id);
  const apiKey = { id: apiKeyId, secretHash, hint: secret.slice(-4) };
  const actor = 'admin';
  await object.create({ id, name: 'test', plan, apiKey, actor, requestId: `req_${id}` });
  const caller: Caller = { kind: 'key', secretHash };
  return { id, secret, caller, apiKeyId, object };
}

/** Submits as a Worker does. */
export async function submitTo(object: AccountObject, caller: Caller, input: SubmitInput) {
  return unpack(await object.submit(caller, pack(input)));
}

/** Offers orders as an Account does. */
export async function enqueueAt(
  object: SchedulerObject,
  orders: readonly JobOrder[],
  options: EnqueueOptions,
) {
  return unpack(await object.enqueueAll(pack(orders), options));
}

/** A submit of a 512x512 picture (0.25 tokens) to a pool. */
export function submitInput(pool: string, more: Partial<SubmitInput> = {}): SubmitInput {
  return {
    jobId: makeJobId(pool, Date.now()),
    pool,
    spec: SPEC,
    metadata: {},
    deadlineS: null,
    idempotencyKey: null,
    bodyHash: 'hash',
    requestId: 'req_test',
    notices: [],
    ...more,
  };
}

export function newOrder(pool: string, accountId: string, more: Partial<JobOrder> = {}): JobOrder {
  return {
    id: makeJobId(pool, Date.now()),
    accountId,
    apiKeyId: null,
    requestId: 'req_test',
    notices: [],
    tier: 'pro',
    spec: SPEC,
    metadata: {},
    heldMillitokens: 250,
    day: '2026-11-22',
    createdAt: Date.now(),
    deadlineAt: null,
    ...more,
  };
}

/** An agent that calls the Scheduler directly; `resident` and `holding` are its own affair. */
export class TestAgent {
  readonly credential: AgentCredential;
  readonly pool: string;
  readonly sessionId = crypto.randomUUID();
  holding: LeaseRef[] = [];

  constructor(pool: string, credential: AgentCredential) {
    this.pool = pool;
    this.credential = credential;
  }

  /** Issues a token and registers with these models. */
  static async start(pool: string, models: readonly string[] = ['painter']): Promise<TestAgent> {
    const agentId = makeAgentId(Date.now());
    const secretHash = await hashSha256(makeSecret());
    await schedulerOf(pool).issueAgent({ agentId, name: 'box', secretHash, requestId: agentId });
    const agent = new TestAgent(pool, { agentId, secretHash });
    await agent.register(models);
    return agent;
  }

  register(models: readonly string[] = ['painter']) {
    return schedulerOf(this.pool).register(this.credential, {
      sessionId: this.sessionId,
      version: '1',
      capabilities: {
        gpu: null,
        engines: [{ engine: 'test', version: '1', models: [...models], batchMax: 1 }],
      },
      holding: this.holding,
    });
  }

  async acquire(waitMs = 0) {
    const { sessionId, holding } = this;
    const body = { sessionId, holding, resident: [], busyMs: 0, waitMs };
    const poll = await schedulerOf(this.pool).acquire(this.credential, body);
    if (!poll.ok) throw new Error(poll.error.reason);
    const answer = 'answer' in poll.value ? poll.value.answer : await poll.value.parked.wait();
    const { job } = answer;
    if (job) this.holding.push({ jobId: job.jobId, fencingToken: job.fencingToken });
    return answer;
  }

  renew(leases: LeaseRef[] = this.holding) {
    return schedulerOf(this.pool).renew(this.credential, {
      sessionId: this.sessionId,
      leases: leases.map((lease) => ({ ...lease, progress: null, preview: null })),
      resident: [],
      health: { status: 'ok', message: null, vramFreeMib: null },
    });
  }

  async control(waitMs = 0) {
    const { sessionId, holding } = this;
    const body = { sessionId, holding, waitMs };
    const poll = await schedulerOf(this.pool).control(this.credential, body);
    if (!poll.ok) return poll;
    const answer = 'answer' in poll.value ? poll.value.answer : await poll.value.parked.wait();
    return { ok: true as const, value: answer };
  }

  async complete(lease: LeaseRef, askNext = false) {
    this.holding = this.holding.filter((held) => held.jobId !== lease.jobId);
    const answer = await schedulerOf(this.pool).complete(this.credential, {
      sessionId: this.sessionId,
      lease,
      artifacts: [],
      usage: { steps: 20 },
      timings: { loadMs: 0, serviceMs: 1000, uploadMs: 10 },
      next: askNext ? { resident: [], busyMs: 0, holding: this.holding } : null,
    });
    const job = answer.ok ? answer.value.next?.job : null;
    if (job) this.holding.push({ jobId: job.jobId, fencingToken: job.fencingToken });
    return answer;
  }

  return(lease: LeaseRef, reason: 'cancelled' | 'drain' = 'drain', steps = 0) {
    this.holding = this.holding.filter((held) => held.jobId !== lease.jobId);
    return schedulerOf(this.pool).return(this.credential, {
      sessionId: this.sessionId,
      lease,
      reason,
      usage: { steps },
      timings: { loadMs: 0, serviceMs: 0, uploadMs: 0 },
      next: null,
    });
  }
}

/** Asks until `probe` gives a value, for what happens on its own soon; bounded by count. */
export async function eventually<T>(
  probe: () => Promise<T | null | undefined | false>,
): Promise<T> {
  for (let count = 0; count < 2000; count++) {
    const value = await probe();
    if (value) return value;
    await scheduler.wait(2);
  }
  throw new Error('did not happen');
}
