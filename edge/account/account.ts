/**
 * The Account object, one per account: verifies its keys, limits its rate, holds its tokens and
 * accepts its jobs. An accepted job is CREATED: it and its hold are on disk before the answer
 * leaves. Then it is handed to the Scheduler, which takes it once however often it is offered;
 * an alarm offers again what was not confirmed, so no hold outlives its job.
 * Never: spent + held over the day's limit when a hold is placed; two settlements of one hold.
 */
import { DurableObject } from 'cloudflare:workers';
import { assert } from '#schema/assert.ts';
import { poolOfJob } from '#schema/id.ts';
import { isTerminal } from '#schema/job.ts';
import { DELIVERY_CHECK_MS, RECONCILE_MS } from '#schema/limits.ts';
import { PLANS } from '#schema/plan.ts';
import type { PlanId } from '#schema/plan.ts';
import type { JobOrder, JobRecord, LiveJob } from '#schema/record.ts';
import { endHold, placeHold, renewalAfter, rollTo, utcDay } from '../core/credit.ts';
import { gcra, perMinute } from '../core/gcra.ts';
import { fail, ok } from '../core/result.ts';
import type { Result } from '../core/result.ts';
import { backoffMs } from '../core/retry.ts';
import type { EnqueueRefusal } from '../core/wait.ts';
import { parseEnv } from '../env.ts';
import type {
  AccessRefusal,
  AccountObject,
  AccountState,
  AdmissionRefusal,
  Bindings,
  CancelResult,
  Principal,
  Quote,
  Settlement,
  SubmitInput,
  Submitted,
} from '../env.ts';
import { logWarn } from '../io/log.ts';
import { MirrorQueue } from '../io/mirror-queue.ts';
import { mirrorAccount } from '../services/mirror-account.ts';
import type { MirrorRow } from '../services/mirror-account.ts';
import { accountRows } from './mirror.ts';
import { asCreated, findKey, makeOrder, refuseJob } from './order.ts';
import { AccountStore } from './store.ts';
import type { AccountRow, ApiKeyRow, OpenJob } from './store.ts';

/** All of an account that exists. */
interface Loaded {
  account: AccountRow;
  readonly keys: Map<string, ApiKeyRow>;
  jobsOpen: number;
  readonly mirror: MirrorQueue<MirrorRow>;
}

type Handover = Result<LiveJob, EnqueueRefusal>;

/** One account; see above. */
export class Account extends DurableObject<Bindings> implements AccountObject {
  readonly #env;
  readonly #store: AccountStore;
  /** Hand-overs under way, by job id: a repeat of the request waits for the same answer. */
  readonly #underWay = new Map<string, Promise<Handover>>();
  #loaded: Loaded | null = null;
  #alarmAt: number | null = null;
  #failures = 0;
  #prunedAt = 0;

  constructor(ctx: DurableObjectState, bindings: Bindings) {
    super(ctx, bindings);
    this.#env = parseEnv(bindings);
    this.#store = new AccountStore(ctx.storage);
    if (this.#store.exists()) this.#load();
    void ctx.blockConcurrencyWhile(async () => {
      this.#alarmAt = await ctx.storage.getAlarm();
    });
  }

  async create(input: {
    id: string;
    name: string;
    plan: PlanId;
    apiKeyId: string;
    secretHash: string;
    requestId: string;
  }): Promise<boolean> {
    if (this.#loaded) return false;
    const now = Date.now();
    const { id, name, plan, requestId } = input;
    const credit = { day: utcDay(now), spentMillitokens: 0, heldMillitokens: 0 };
    const account = { id, name, plan, blocked: false, createdAt: now, credit, tat: 0 };
    const key = {
      id: input.apiKeyId,
      secretHash: input.secretHash,
      createdAt: now,
      revokedAt: null,
    };
    this.#store.transaction(() => {
      this.#store.makeTables();
      this.#store.saveAccount(account);
      this.#store.saveKey(key);
      const cause = { action: 'account.create', requestId, now };
      this.#makeMirror().add(accountRows(account, [key], cause));
    });
    this.#load();
    this.#afterMirror();
    return true;
  }

  async revokeKey(apiKeyId: string, requestId: string): Promise<boolean> {
    const loaded = this.#loaded;
    const known = loaded?.keys.get(apiKeyId);
    if (!loaded || !known) return false;
    const now = Date.now();
    const key = { ...known, revokedAt: known.revokedAt ?? now };
    this.#store.transaction(() => {
      this.#store.saveKey(key);
      const cause = { action: 'key.revoke', requestId, now };
      loaded.mirror.add(accountRows(loaded.account, [key], cause));
    });
    loaded.keys.set(apiKeyId, key);
    this.#afterMirror();
    return true;
  }

  async authenticate(secretHash: string): Promise<Result<Principal, AccessRefusal>> {
    return this.#admit(secretHash, Date.now());
  }

  async state(
    secretHash: string,
  ): Promise<Result<{ principal: Principal; account: AccountState }, AccessRefusal>> {
    const now = Date.now();
    const principal = this.#admit(secretHash, now);
    if (!principal.ok) return principal;
    const { account, jobsOpen } = this.#loaded!;
    const credit = rollTo(account.credit, utcDay(now));
    return ok({
      principal: principal.value,
      account: {
        id: account.id,
        plan: account.plan,
        day: credit.day,
        spentMillitokens: credit.spentMillitokens,
        heldMillitokens: credit.heldMillitokens,
        limitMillitokens: PLANS[account.plan].dailyMillitokens,
        renewsAt: renewalAfter(now),
        jobsOpen,
      },
    });
  }

  async submit(
    secretHash: string,
    input: SubmitInput,
  ): Promise<Result<Submitted, AdmissionRefusal>> {
    const now = Date.now();
    const admitted = this.#admit(secretHash, now);
    if (!admitted.ok) return admitted;
    const principal = admitted.value;
    const loaded = this.#loaded!;
    const before = input.idempotencyKey && this.#store.findIdempotent(input.idempotencyKey, now);
    if (before) return this.#replay(principal, before, input.bodyHash);
    const refusal = refuseJob(loaded, input, now);
    const { rate } = principal;
    if (refusal) return fail({ ...refusal, rate });
    const order = this.#accept(principal, input, now);
    const handed = await this.#handOver({ order, cancelled: false }, false);
    if (!handed) return ok({ replayed: false, principal, job: asCreated(order) });
    if (handed.ok) return ok({ replayed: false, principal, job: handed.value });
    this.#undo(order, input.idempotencyKey);
    return fail({ ...handed.error, rate });
  }

  async quote(secretHash: string, input: SubmitInput): Promise<Result<Quote, AccessRefusal>> {
    const now = Date.now();
    const admitted = this.#admit(secretHash, now);
    if (!admitted.ok) return admitted;
    const principal = admitted.value;
    const loaded = this.#loaded!;
    const order = makeOrder(principal, { input, credit: loaded.account.credit, now });
    const { heldMillitokens } = order;
    const refusal = refuseJob(loaded, input, now);
    if (refusal) return ok({ principal, heldMillitokens, refusal, waiting: null });
    const preview = await this.#env.schedulers.getByName(input.pool).preview(order);
    return preview.ok
      ? ok({ principal, heldMillitokens, refusal: null, waiting: preview.value })
      : ok({ principal, heldMillitokens, refusal: preview.error, waiting: null });
  }

  async findCreated(jobId: string): Promise<JobRecord | null> {
    const job = this.#loaded && this.#store.findJob(jobId);
    return job ? asCreated(job.order).record : null;
  }

  async cancelCreated(jobId: string): Promise<CancelResult> {
    await this.#underWay.get(jobId)?.catch(() => null);
    const job = this.#loaded && this.#store.findJob(jobId);
    if (!job) return 'unknown';
    this.#store.markCancelled(jobId);
    const handed = await this.#handOver({ order: job.order, cancelled: true }, true);
    // Unanswered: the mark is on disk, and the alarm repeats the offer with it.
    if (!handed?.ok) return 'cancel_requested';
    const { status } = handed.value.record;
    if (status === 'cancelled') return 'cancelled';
    return isTerminal(status) ? 'already_finished' : 'cancel_requested';
  }

  async settle(settlements: readonly Settlement[]): Promise<readonly string[]> {
    const taken = settlements.filter(({ jobId }) => !this.#underWay.has(jobId));
    const ids = taken.map(({ jobId }) => jobId);
    const loaded = this.#loaded;
    if (!loaded) return ids;
    let { account } = loaded;
    let ended = 0;
    this.#store.transaction(() => {
      for (const { jobId, settledMillitokens } of taken) {
        const hold = this.#store.findHold(jobId);
        if (!hold) continue;
        account = { ...account, credit: endHold(account.credit, hold, settledMillitokens) };
        ended += 1;
        this.#store.deleteJob(jobId);
      }
      if (ended > 0) this.#store.saveAccount(account);
    });
    loaded.account = account;
    loaded.jobsOpen -= ended;
    return ids;
  }

  override async alarm(): Promise<void> {
    this.#alarmAt = null;
    if (!this.#loaded) return;
    const now = Date.now();
    if (now - this.#prunedAt >= RECONCILE_MS) {
      this.#prunedAt = now;
      this.#store.deleteOldIdempotent(now);
    }
    await this.#reconcile(now);
    await this.#loaded.mirror.drain();
    const checkAt = this.#store.nextCheckAt();
    if (checkAt !== null) this.#wakeBy(checkAt);
    const mirrorAt = this.#loaded.mirror.nextAt();
    if (mirrorAt !== null) this.#wakeBy(mirrorAt);
  }

  /** Looks after open jobs that are due: what its Scheduler does not know is offered again. */
  async #reconcile(now: number): Promise<void> {
    const due = this.#store.dueJobs(now);
    // Until a look has an answer, the next one is not before this.
    for (const { order } of due) this.#store.checkLater(order.id, now + DELIVERY_CHECK_MS);
    const idle = due.filter(({ order }) => !this.#underWay.has(order.id));
    const byPool = Map.groupBy(idle, ({ order }) => poolOfJob(order.id) ?? '');
    const unanswered = await Promise.all(
      [...byPool].map(([pool, jobs]) => this.#reconcilePool(pool, jobs)),
    );
    this.#failures = unanswered.includes(true) ? this.#failures + 1 : 0;
  }

  /** Whether an offer went unanswered. */
  async #reconcilePool(pool: string, jobs: readonly OpenJob[]): Promise<boolean> {
    const ids = jobs.map(({ order }) => order.id);
    let known: readonly string[] = [];
    try {
      known = await this.#env.schedulers.getByName(pool).known(ids);
    } catch (error) {
      logWarn('job.reconcile', { pool, message: String(error) });
      return true;
    }
    const later = Date.now() + RECONCILE_MS;
    for (const id of known) this.#store.checkLater(id, later);
    // A cancel that was not answered is offered again, whether or not the job is known.
    const again = jobs.filter(({ order, cancelled }) => cancelled || !known.includes(order.id));
    const handed = await Promise.all(again.map((job) => this.#handOver(job, true)));
    return handed.includes(null);
  }

  /** Verifies a key and counts one request. */
  #admit(secretHash: string, now: number): Result<Principal, AccessRefusal> {
    const loaded = this.#loaded;
    const key = loaded && findKey(loaded.keys.values(), secretHash);
    if (!loaded || !key) return fail({ reason: 'unauthorized' });
    const { account } = loaded;
    if (account.blocked) return fail({ reason: 'account_blocked' });
    const plan = PLANS[account.plan];
    if (!plan.api) return fail({ reason: 'plan_required', needed: 'starter', what: 'the API' });
    const verdict = gcra(account.tat, now, perMinute(plan.requestsPerMinute));
    const rate = {
      limit: plan.requestsPerMinute,
      remaining: verdict.remaining,
      resetMs: verdict.resetMs,
    };
    if (!verdict.allowed) {
      return fail({ reason: 'rate_limited', retryAfterMs: verdict.retryAfterMs, rate });
    }
    // Written with the next hold; a restart forgives the requests since then.
    loaded.account = { ...account, tat: verdict.tat };
    return ok({ accountId: account.id, apiKeyId: key.id, plan: account.plan, rate });
  }

  /** Makes the job CREATED: it and its hold are written in one transaction. */
  #accept(principal: Principal, input: SubmitInput, now: number): JobOrder {
    const loaded = this.#loaded!;
    const order = makeOrder(principal, { input, credit: loaded.account.credit, now });
    const day = rollTo(loaded.account.credit, order.day);
    const credit = placeHold(day, order.heldMillitokens, PLANS[principal.plan].dailyMillitokens);
    assert(credit, 'the credit was just found to cover it');
    const account = { ...loaded.account, credit };
    this.#store.transaction(() => {
      this.#store.saveAccount(account);
      this.#store.insertJob(order, now + DELIVERY_CHECK_MS);
      const { idempotencyKey, bodyHash } = input;
      if (idempotencyKey) {
        this.#store.saveIdempotent(idempotencyKey, { bodyHash, jobId: order.id }, now);
      }
    });
    loaded.account = account;
    loaded.jobsOpen += 1;
    this.#wakeBy(now + DELIVERY_CHECK_MS);
    return order;
  }

  /** Takes back what was never acknowledged. */
  #undo(order: JobOrder, idempotencyKey: string | null): void {
    const loaded = this.#loaded!;
    const hold = this.#store.findHold(order.id);
    if (!hold) return;
    const account = { ...loaded.account, credit: endHold(loaded.account.credit, hold, 0) };
    this.#store.transaction(() => {
      this.#store.saveAccount(account);
      this.#store.deleteJob(order.id);
      if (idempotencyKey) this.#store.deleteIdempotent(idempotencyKey);
    });
    loaded.account = account;
    loaded.jobsOpen -= 1;
  }

  async #replay(
    principal: Principal,
    before: { bodyHash: string; jobId: string },
    bodyHash: string,
  ): Promise<Result<Submitted, AdmissionRefusal>> {
    const { rate } = principal;
    if (before.bodyHash !== bodyHash) return fail({ reason: 'idempotency_conflict', rate });
    const underWay = await this.#underWay.get(before.jobId)?.catch(() => null);
    if (underWay && !underWay.ok) return fail({ ...underWay.error, rate });
    return ok({ replayed: true, principal, jobId: before.jobId });
  }

  /** Offers a job to its Scheduler; null when that was not answered and an alarm will repeat it. */
  async #handOver(job: OpenJob, accepted: boolean): Promise<Handover | null> {
    const { order, cancelled } = job;
    const pool = poolOfJob(order.id);
    assert(pool, 'a job id names its pool');
    const call = this.#env.schedulers.getByName(pool).enqueue(order, { accepted, cancelled });
    this.#underWay.set(order.id, call);
    try {
      const handed = await call;
      if (accepted) this.#store.checkLater(order.id, Date.now() + RECONCILE_MS);
      return handed;
    } catch (error) {
      logWarn('job.hand_over', { jobId: order.id, message: String(error) });
      const at = Date.now() + backoffMs(this.#failures + 1, Math.random());
      this.#store.checkLater(order.id, at);
      this.#wakeBy(at);
      return null;
    } finally {
      if (this.#underWay.get(order.id) === call) this.#underWay.delete(order.id);
    }
  }

  #load(): void {
    const { account, keys, jobsOpen } = this.#store.load();
    const mirror = this.#makeMirror();
    const byId = new Map(keys.map((key) => [key.id, key]));
    this.#loaded = { account, keys: byId, jobsOpen, mirror };
  }

  #makeMirror(): MirrorQueue<MirrorRow> {
    return new MirrorQueue(this.ctx.storage, (rows) => mirrorAccount(this.#env, rows));
  }

  #afterMirror(): void {
    this.#wakeBy(Date.now() + DELIVERY_CHECK_MS);
    if (this.#loaded) this.ctx.waitUntil(this.#loaded.mirror.drain());
  }

  /** One alarm wakes the object by this time at the latest; moving it costs a row. */
  #wakeBy(at: number): void {
    if (this.#alarmAt !== null && this.#alarmAt <= at) return;
    this.#alarmAt = Math.max(at, Date.now() + 1);
    void this.ctx.storage.setAlarm(this.#alarmAt);
  }
}
