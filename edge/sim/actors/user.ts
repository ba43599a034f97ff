/**
 * A user with an API key: submits jobs, repeats what was not answered, sometimes twice at once,
 * asks for the price first, looks at its jobs and cancels some. What it is told, it holds the edge
 * to: the oracle hears every answer.
 */
import type { JobRequest } from '#schema/job.ts';
import type { PlanId } from '#schema/plan.ts';
import type { Env } from '../../env.ts';
import { readApiKey } from '../../services/authenticate.ts';
import { cancelJob } from '../../services/cancel-job.ts';
import { findJob } from '../../services/find-job.ts';
import { watchJob } from '../../services/follow-job.ts';
import { quoteJob } from '../../services/quote-job.ts';
import { submitJob } from '../../services/submit-job.ts';
import { isTerminal } from '#schema/job.ts';
import type { JobStatus } from '#schema/job.ts';
import type { Notice } from '#schema/record.ts';
import { Refused } from '../platform/worker.ts';
import type { Reply } from '../platform/worker.ts';
import type { Random } from '../random.ts';
import type { Site } from '../site.ts';
import type { Owner } from '../world.ts';
import type { Surroundings } from './box.ts';

export interface Wish {
  readonly request: JobRequest;
  readonly key: string | null;
  readonly cancelAfterMs: number | null;
  readonly watches: boolean;
}

interface Answer {
  readonly requestId: string;
  readonly jobId: string | null;
  readonly reason: string | null;
  readonly retryAfterMs: number;
}

const TIMEOUT_MS = 20_000;
const TRIES_MAX = 8;
const LOOK_MS = 45_000;
const RETRY_LATER = ['queue_full', 'no_agent', 'rate_limited', 'too_many_jobs'];

export class User implements Owner {
  readonly name: string;
  readonly accountId: string;
  readonly plan: PlanId;
  readonly skewMs = 0;
  alive = true;
  frozenUntil = 0;
  /** Wishes that it has not had an answer to. */
  pending = 0;
  readonly #apiKey: string;
  readonly #around: Surroundings;
  readonly #site: Site;
  readonly #random: Random;
  #requests = 0;

  constructor(
    around: Surroundings,
    site: Site,
    account: { id: string; plan: PlanId; apiKey: string },
  ) {
    this.#around = around;
    this.#site = site;
    this.name = `user:${account.id.slice(-4)}`;
    this.accountId = account.id;
    this.plan = account.plan;
    this.#apiKey = account.apiKey;
    this.#random = around.world.random.fork();
  }

  wish(wish: Wish): void {
    this.pending += 1;
    this.#submit(wish, 1);
    // The same request twice at once, as of an impatient client.
    if (wish.key !== null && this.#random.chance(0.1)) {
      this.pending += 1;
      this.#submit({ ...wish, cancelAfterMs: null }, 1);
    }
  }

  /** Asks what a job would cost; nothing may come of it. */
  quote(request: JobRequest): void {
    const hear = (reply: Reply) => {
      if (reply.ok) this.#site.oracle.refusedRequests.add((reply.value as Answer).requestId);
    };
    const handle = (env: Env) => this.#serveQuote(env, request);
    this.#send('quote', JSON.stringify(request), { handle, hear });
  }

  #submit(wish: Wish, tries: number): void {
    const text = JSON.stringify(wish.request);
    const handle = (env: Env) => this.#serveSubmit(env, wish);
    const hear = (reply: Reply) => this.#onSubmitted(wish, tries, reply);
    this.#send('submit', `${wish.key} ${text}`, { handle, hear });
  }

  #onSubmitted(wish: Wish, tries: number, reply: Reply): void {
    const { oracle, world } = this.#site;
    if (!reply.ok) {
      // It is unknown what was done: only a key makes a repeat safe.
      if (wish.key === null || tries >= TRIES_MAX) {
        this.pending -= 1;
        return;
      }
      this.#again(wish, tries, 500 * 2 ** tries);
      return;
    }
    const { requestId, jobId, reason, retryAfterMs } = reply.value as Answer;
    if (jobId === null) {
      oracle.refusedRequests.add(requestId);
      world.count(`refused ${reason}`);
      if (RETRY_LATER.includes(reason ?? '') && tries < TRIES_MAX) {
        this.#again(wish, tries, Math.max(1000, retryAfterMs));
        return;
      }
      this.pending -= 1;
      return;
    }
    this.pending -= 1;
    world.count('acknowledged');
    const body = JSON.stringify(wish.request);
    oracle.acknowledge({ jobId, accountId: this.accountId, key: wish.key, body });
    if (wish.watches) this.#look(jobId, null);
    if (wish.cancelAfterMs === null) return;
    this.#after(wish.cancelAfterMs, 'changes its mind', () => this.#cancel(jobId, 1));
  }

  #again(wish: Wish, tries: number, ms: number): void {
    this.#after(Math.min(60_000, ms), 'repeats', () => this.#submit(wish, tries + 1));
  }

  #cancel(jobId: string, tries: number): void {
    const handle = (env: Env) => this.#serveCancel(env, jobId);
    const hear = (reply: Reply) => {
      if (reply.ok) {
        this.#site.world.count(`cancel: ${String(reply.value)}`);
        this.#site.oracle.onCancelled(jobId, String(reply.value));
      } else if (reply.code === 'not_found') {
        this.#site.world.violate('an accepted job is found', jobId);
      } else if (tries < TRIES_MAX) {
        this.#after(500 * 2 ** tries, 'cancels again', () => this.#cancel(jobId, tries + 1));
      }
    };
    this.#send('cancel', jobId, { handle, hear });
  }

  /** Looks at a job until it has ended; what it sees never goes back. */
  #look(jobId: string, seen: { status: JobStatus; sequence: number } | null): void {
    const handle = (env: Env) => this.#serveLook(env, jobId, seen === null);
    const again = (what: typeof seen) =>
      this.#after(this.#random.span(LOOK_MS) + 1000, 'looks', () => this.#look(jobId, what));
    const hear = (reply: Reply) => {
      if (!reply.ok) {
        if (reply.code === 'not_found') {
          this.#site.world.violate('an accepted job is found', jobId);
        } else again(seen);
        return;
      }
      const now = reply.value as { status: JobStatus; sequence: number };
      const before = `${seen?.status} ${seen?.sequence}`;
      if (seen && now.sequence < seen.sequence) {
        const detail = `${jobId}: ${before}, then ${now.status} ${now.sequence}`;
        this.#site.world.violate('what a user sees of a job never goes back', detail);
      }
      if (!isTerminal(now.status)) again(now);
    };
    this.#send('look', jobId, { handle, hear });
  }

  async #serveSubmit(env: Env, wish: Wish): Promise<Answer> {
    const notices = this.#noticesOf(wish);
    const submission = { ...(await this.#submission(wish.request, wish.key)), notices };
    const answer = await submitJob(env, submission);
    const { requestId } = submission;
    if (answer.ok) return { requestId, jobId: answer.value.job.record.id, ...NO_REFUSAL };
    const { reason } = answer.error;
    if (reason === 'history_unavailable') throw new Refused('history_unavailable');
    const retryAfterMs = 'retryAfterMs' in answer.error ? answer.error.retryAfterMs : 0;
    return { requestId, jobId: null, reason, retryAfterMs };
  }

  /** Some are asked for in a chat, some for an endpoint: by the wish, so that repeats agree. */
  #noticesOf({ request }: Wish): Notice[] {
    const userId = this.accountId;
    switch (JSON.stringify(request).length % 4) {
      case 0:
        return [{ kind: 'chat', courier: 'bot', chat: { ...CHAT, chatId: userId, userId } }];
      case 1:
        return [{ kind: 'webhook', courier: `job:${userId}`, url: 'https://x.test', secret: null }];
      default:
        return [];
    }
  }

  async #serveQuote(env: Env, request: JobRequest): Promise<Answer> {
    const submission = await this.#submission(request, null);
    const answer = await quoteJob(env, submission);
    const reason = answer.ok ? null : answer.error.reason;
    return { requestId: submission.requestId, jobId: null, reason, retryAfterMs: 0 };
  }

  async #serveCancel(env: Env, jobId: string): Promise<string> {
    const answer = await cancelJob(env, { jobId, accountId: this.accountId });
    if (answer.ok) return answer.value;
    if (answer.error.reason === 'job_not_found') throw new Refused('not_found');
    throw new Refused('history_unavailable');
  }

  async #serveLook(env: Env, jobId: string, isFirst: boolean): Promise<object> {
    const owner = { jobId, accountId: this.accountId };
    const answer = await (isFirst ? watchJob : findJob)(env, owner);
    if (!answer.ok) {
      throw new Refused(
        answer.error.reason === 'job_not_found' ? 'not_found' : 'history_unavailable',
      );
    }
    const { status, sequence } = answer.value.record;
    return { status, sequence };
  }

  async #submission(request: JobRequest, idempotencyKey: string | null) {
    const credential = await readApiKey(`Bearer ${this.#apiKey}`);
    if (!credential) throw new Refused('unauthorized');
    this.#requests += 1;
    const requestId = `req_${this.name}_${this.#requests}`;
    return { credential, request, idempotencyKey, requestId, now: Date.now() };
  }

  #send(
    name: string,
    text: string,
    how: { handle: (env: Env) => Promise<unknown>; hear: (reply: Reply) => void },
  ): void {
    this.#around.worker().request({ client: this, name, text, timeoutMs: TIMEOUT_MS, ...how });
  }

  #after(ms: number, what: string, act: () => void): void {
    this.#around.world.afterSync(ms, { owner: this, what, act });
  }
}

const CHAT = {
  platform: 'telegram',
  replyTo: '1',
  threadId: null,
  interactionToken: null,
  interactionExpiresAt: null,
  attachmentBytesMax: null,
} as const;
const NO_REFUSAL = { reason: null, retryAfterMs: 0 } as const;
