/**
 * The Account object, one per account: verifies its keys, limits its rate, holds its tokens and
 * accepts its jobs. An accepted job is CREATED: it and its hold are on disk before the answer
 * leaves. Then it is handed to the Scheduler (hand-over.ts); an alarm offers again what was not
 * confirmed, so no hold outlives its job. Submits that come together share a commit and a call.
 * Never: spent + held over the day's limit when a hold is placed; two settlements of one hold.
 */
import { DurableObject } from 'cloudflare:workers';
import { assert } from '#schema/assert.ts';
import { isTerminal } from '#schema/job.ts';
import { DELIVERY_CHECK_MS, RECONCILE_MS } from '#schema/limits.ts';
import { PLANS } from '#schema/plan.ts';
import type { PlanId } from '#schema/plan.ts';
import type { JobOrder, JobRecord } from '#schema/record.ts';
import type { Scope } from '#schema/scope.ts';
import { endHold, placeHold, renewalAfter, rollTo, utcDay } from '../core/credit.ts';
import { fail, ok } from '../core/result.ts';
import type { Result } from '../core/result.ts';
import { parseEnv } from '../env.ts';
import type { Bindings } from '../env.ts';
import type {
  AccessRefusal,
  AccountObject,
  AccountState,
  AdmissionRefusal,
  Caller,
  CancelResult,
  Principal,
  Quote,
  Settlement,
  SubmitInput,
  Submitted,
  SubmittedAll,
} from '../rpc/account.ts';
import { CommitGroup } from '../io/commit-group.ts';
import { MirrorQueue } from '../io/mirror-queue.ts';
import { mirrorAccount } from '../services/mirror-account.ts';
import type { MirrorRow } from '../services/mirror-account.ts';
import { HandOvers } from './hand-over.ts';
import { accountRows } from './mirror.ts';
import { asCreated, findKey, makeOrder, refuseJob } from './order.ts';
import { chargeRequests, countRequest } from './rate.ts';
import { AccountStore } from './store.ts';
import type { AccountRow, ApiKeyRow, Idempotent } from './store.ts';

/** All of an account that exists. */
interface Loaded {
  account: AccountRow;
  readonly keys: Map<string, ApiKeyRow>;
  jobsOpen: number;
  readonly mirror: MirrorQueue<MirrorRow>;
}

/** What a submit came to before its hand-over. */
type Admission =
  | { readonly kind: 'refused'; readonly refusal: AdmissionRefusal }
  | { readonly kind: 'known'; readonly before: Idempotent }
  | { readonly kind: 'accepted'; readonly order: JobOrder };

/** One account; see above. */
export class Account extends DurableObject<Bindings> implements AccountObject {
  readonly #env;
  readonly #store: AccountStore;
  readonly #handOvers: HandOvers;
  readonly #commits: CommitGroup;
  /** Accepted in the commit that is being made. */
  #accepted: JobOrder[] = [];
  #loaded: Loaded | null = null;
  #alarmAt: number | null = null;
  #prunedAt = 0;

  constructor(ctx: DurableObjectState, bindings: Bindings) {
    super(ctx, bindings);
    this.#env = parseEnv(bindings);
    this.#store = new AccountStore(ctx.storage);
    this.#handOvers = new HandOvers(this.#env, this.#store, (at) => this.#wakeBy(at));
    this.#commits = new CommitGroup(ctx, { afterEach: () => this.#handOver() });
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

  async authenticate(caller: Caller, _scope: Scope): Promise<Result<Principal, AccessRefusal>> {
    return this.#admit(caller, Date.now());
  }

  async state(
    caller: Caller,
  ): Promise<Result<{ principal: Principal; account: AccountState }, AccessRefusal>> {
    const now = Date.now();
    const principal = this.#admit(caller, now);
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

  async submit(caller: Caller, input: SubmitInput): Promise<Result<Submitted, AdmissionRefusal>> {
    const answer = await this.submitAll(caller, [input]);
    return answer.ok ? answer.value.jobs[0]! : answer;
  }

  async submitAll(
    caller: Caller,
    inputs: readonly SubmitInput[],
  ): Promise<Result<SubmittedAll, AccessRefusal>> {
    return this.#commits
      .run(() => {
        const now = Date.now();
        const admitted = this.#admit(caller, now);
        if (!admitted.ok) return admitted;
        const principal = admitted.value;
        const admissions = inputs.map((input) => this.#admitJob(principal, input, now));
        return ok({ principal, admissions });
      })
      .then(async (admitted) => {
        if (!admitted.ok) return admitted;
        const { principal, admissions } = admitted.value;
        const settled = admissions.map((one, at) => this.#finish(principal, one, inputs[at]!));
        const jobs = await Promise.all(settled);
        const refused = jobs.filter((job) => !job.ok).length;
        return ok({ principal: this.#charge(principal, refused - 1), jobs });
      });
  }

  /** Counts requests beside the one that was counted before; how the rate stands then. */
  #charge(principal: Principal, count: number): Principal {
    if (count <= 0) return principal;
    const { account } = this.#loaded!;
    const { tat, rate } = chargeRequests(account.plan, {
      tat: account.tat,
      count,
      now: Date.now(),
    });
    this.#loaded!.account = { ...account, tat };
    return { ...principal, rate };
  }

  /** Decides on one job and, when it is accepted, writes it with its hold. */
  #admitJob(principal: Principal, input: SubmitInput, now: number): Admission {
    const { idempotencyKey } = input;
    const before = idempotencyKey && this.#store.findIdempotent(idempotencyKey, now);
    if (before) return { kind: 'known', before };
    const refusal = refuseJob(this.#loaded!, input, now);
    if (refusal) return { kind: 'refused', refusal };
    return { kind: 'accepted', order: this.#accept(principal, input, now) };
  }

  /**
   * Writes the holds of what the commit accepted, all in one row, and offers the jobs, which
   * leave once that is on disk; `#finish` waits for the answers. When it throws nothing of the
   * commit reaches the disk: no job without its hold.
   */
  #handOver(): void {
    const jobs = this.#accepted.map((order) => ({ order, cancelled: false }));
    this.#accepted = [];
    if (jobs.length === 0) return;
    this.#store.saveAccount(this.#loaded!.account);
    void this.#handOvers.offer(jobs, false);
  }

  async #finish(
    principal: Principal,
    admission: Admission,
    { bodyHash, idempotencyKey }: SubmitInput,
  ): Promise<Result<Submitted, AdmissionRefusal>> {
    const { rate } = principal;
    switch (admission.kind) {
      case 'refused':
        return fail({ ...admission.refusal, rate });
      case 'known': {
        const { before } = admission;
        if (before.bodyHash !== bodyHash) return fail({ reason: 'idempotency_conflict', rate });
        const underWay = await this.#handOvers.outcome(before.jobId);
        if (underWay && !underWay.ok) return fail({ ...underWay.error, rate });
        return ok({ replayed: true, principal, jobId: before.jobId });
      }
      case 'accepted': {
        const { order } = admission;
        const handed = await this.#handOvers.outcome(order.id);
        if (!handed) return ok({ replayed: false, principal, job: asCreated(order) });
        if (handed.ok) return ok({ replayed: false, principal, job: handed.value });
        this.#undo(order, idempotencyKey);
        return fail({ ...handed.error, rate });
      }
    }
  }

  async quote(caller: Caller, input: SubmitInput): Promise<Result<Quote, AccessRefusal>> {
    const now = Date.now();
    const admitted = this.#admit(caller, now);
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
    await this.#handOvers.outcome(jobId);
    const job = this.#loaded && this.#store.findJob(jobId);
    if (!job) return 'unknown';
    this.#store.markCancelled(jobId);
    const [handed] = await this.#handOvers.offer([{ order: job.order, cancelled: true }], true);
    // Unanswered: the mark is on disk, and the alarm repeats the offer with it.
    if (!handed?.ok) return 'cancel_requested';
    const { status } = handed.value.record;
    if (status === 'cancelled') return 'cancelled';
    return isTerminal(status) ? 'already_finished' : 'cancel_requested';
  }

  async settle(settlements: readonly Settlement[]): Promise<readonly string[]> {
    const taken = settlements.filter(({ jobId }) => !this.#handOvers.isUnderWay(jobId));
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
    await this.#handOvers.reconcile(now);
    await this.#loaded.mirror.drain();
    const checkAt = this.#store.nextCheckAt();
    if (checkAt !== null) this.#wakeBy(checkAt);
    const mirrorAt = this.#loaded.mirror.nextAt();
    if (mirrorAt !== null) this.#wakeBy(mirrorAt);
  }

  /** Verifies a key and counts one request. */
  #admit(caller: Caller, now: number): Result<Principal, AccessRefusal> {
    const loaded = this.#loaded;
    const key =
      loaded && caller.kind === 'key' ? findKey(loaded.keys.values(), caller.secretHash) : null;
    if (!loaded || (caller.kind === 'key' && !key)) return fail({ reason: 'unauthorized' });
    const { account } = loaded;
    if (account.blocked) return fail({ reason: 'account_blocked' });
    const plan = PLANS[account.plan];
    if (key && !plan.api)
      return fail({ reason: 'plan_required', needed: 'starter', what: 'the API' });
    const counted = countRequest(account.plan, account.tat, now);
    if (!counted.ok) return counted;
    const { tat, rate } = counted.value;
    // Written with the next hold; a restart forgives the requests since then.
    loaded.account = { ...account, tat };
    return ok({ accountId: account.id, apiKeyId: key?.id ?? null, plan: account.plan, rate });
  }

  /** Makes the job CREATED: it and its hold are written in one commit. */
  #accept(principal: Principal, input: SubmitInput, now: number): JobOrder {
    const loaded = this.#loaded!;
    const order = makeOrder(principal, { input, credit: loaded.account.credit, now });
    const day = rollTo(loaded.account.credit, order.day);
    const credit = placeHold(day, order.heldMillitokens, PLANS[principal.plan].dailyMillitokens);
    assert(credit, 'the credit was just found to cover it');
    const { idempotencyKey, bodyHash } = input;
    const write = () => {
      this.#store.insertJob(order, now + DELIVERY_CHECK_MS);
      if (!idempotencyKey) return;
      this.#store.saveIdempotent(idempotencyKey, { bodyHash, jobId: order.id }, now);
    };
    // One statement is whole by itself.
    if (idempotencyKey) this.#store.transaction(write);
    else write();
    loaded.account = { ...loaded.account, credit };
    loaded.jobsOpen += 1;
    this.#accepted.push(order);
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
