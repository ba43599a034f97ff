/**
 * How an account takes jobs: each is admitted, held and written in one turn, and submits that come
 * together share a commit and a call to their Scheduler. A hold is placed on the account and, when
 * its key has a budget, on the key; both end together, once. What the Scheduler refuses before our
 * word was given is taken back. An account that submits much writes its jobs later: ahead.ts.
 */
import { isTerminal } from '#schema/job.ts';
import { AHEAD_MS, AHEAD_WITHIN_MS, DELIVERY_CHECK_MS } from '#schema/limits.ts';
import type { JobOrder, JobRecord } from '#schema/record.ts';
import { endHold } from '../core/credit.ts';
import { fail, ok } from '../core/result.ts';
import type { Result } from '../core/result.ts';
import { logWarn } from '../io/log.ts';
import { CommitGroup } from '../io/commit-group.ts';
import type {
  AccessRefusal,
  AdmissionRefusal,
  Caller,
  CancelResult,
  Principal,
  Quote,
  Recalled,
  Repeat,
  Settlement,
  SubmitInput,
  Submitted,
  SubmittedAll,
} from '../rpc/account.ts';
import { withUse } from './books.ts';
import type { Books, Surroundings } from './books.ts';
import { admit, charge, identify } from './gate.ts';
import { HandOvers } from './hand-over.ts';
import { recover } from './recovery.ts';
import { noteQuota } from './news.ts';
import { asCreated, holdJob, makeOrder } from './order.ts';
import type { Holds } from './order.ts';
import type { AccountRow, Idempotent, KeptHold, Life } from './row.ts';
import type { AccountStore } from './store.ts';

/** What a submit came to before its hand-over. */
type Admission =
  | { readonly kind: 'refused'; readonly refusal: AdmissionRefusal }
  | { readonly kind: 'known'; readonly before: Idempotent }
  | { readonly kind: 'accepted'; readonly order: JobOrder };

/** The jobs of one account; see above. */
export class Intake {
  readonly #around: Surroundings;
  readonly #books: Books;
  readonly #store: AccountStore;
  readonly #handOvers: HandOvers;
  readonly #commits: CommitGroup;
  /** Accepted in the commit that is being made. */
  #accepted: JobOrder[] = [];
  #submittedAt = -Infinity;
  /** Whether what the commit accepted has to be written with it. */
  #mustWrite = false;
  #recovery: Promise<void> | null = null;
  #isWhole: boolean;
  readonly #bornAt = Date.now();

  constructor(around: Surroundings, books: Books) {
    this.#around = around;
    this.#books = books;
    this.#store = around.store;
    this.#handOvers = new HandOvers(around.env, books, around.wakeBy);
    this.#isWhole = books.account.life.aheadIn === null;
    if (!this.#isWhole) around.wakeBy(Date.now() + AHEAD_MS);
    this.#commits = new CommitGroup(around.ctx, { afterEach: () => this.#handOver() });
  }

  async submitAll(
    caller: Caller,
    inputs: readonly SubmitInput[],
  ): Promise<Result<SubmittedAll, AccessRefusal>> {
    await this.whole();
    return this.#commits
      .run(() => {
        const now = Date.now();
        const admitted = admit(this.#books, caller, { scope: 'jobs:write', now });
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
        return ok({ principal: charge(this.#books, principal, refused - 1), jobs });
      });
  }

  /** Decides on one job and, when it is accepted, writes it with its hold. */
  #admitJob(principal: Principal, input: SubmitInput, now: number): Admission {
    const { idempotencyKey } = input;
    const before = idempotencyKey && this.#store.findIdempotent(idempotencyKey, now);
    if (before) return { kind: 'known', before };
    const held = holdJob(this.#books, { principal, input, now });
    if ('refusal' in held) {
      const { refusal } = held;
      if (refusal.reason === 'tokens_exhausted') noteQuota(this.#books, now, true);
      return { kind: 'refused', refusal };
    }
    const order = makeOrder(this.#books, { principal, input, now });
    const life = this.#nextLife(input.pool, now);
    const goesAhead = life.ordinal > this.#books.account.life.ordinal;
    const marked = goesAhead ? markAhead(order, input, life.ordinal) : order;
    this.#accept(marked, input, { holds: held.holds, life });
    noteQuota(this.#books, now, false);
    return { kind: 'accepted', order: marked };
  }

  /** How the account stands to its disk with another job for this pool. */
  #nextLife(pool: string, now: number): Life {
    const { life } = this.#books.account;
    const isBusy = now - this.#submittedAt < AHEAD_WITHIN_MS;
    this.#submittedAt = now;
    if (life.aheadIn === pool) return { ...life, ordinal: life.ordinal + 1 };
    // Written with this job; the next ones need not be.
    return isBusy && life.aheadIn === null ? { ...life, aheadIn: pool } : life;
  }

  /** Makes the job CREATED: it and its holds are written in one commit, or by its Scheduler. */
  #accept(
    order: JobOrder,
    input: SubmitInput,
    { holds, life }: { readonly holds: Holds; readonly life: Life },
  ): void {
    const books = this.#books;
    this.#keep(order, input);
    const account = { ...books.account, credit: holds.account, life };
    const { apiKeyId } = order;
    books.account =
      holds.key === null || apiKeyId === null
        ? account
        : withUse(account, apiKeyId, { ...books.use(apiKeyId), credit: holds.key });
    books.jobsOpen += 1;
    this.#accepted.push(order);
    this.#around.wakeBy(order.createdAt + (order.ahead ? AHEAD_MS : DELIVERY_CHECK_MS));
  }

  #keep(order: JobOrder, { idempotencyKey, bodyHash }: SubmitInput): void {
    const now = order.createdAt;
    if (order.ahead) {
      this.#store.keepAhead(order, now + DELIVERY_CHECK_MS);
      return;
    }
    const write = () => {
      this.#store.insertJob(order, now + DELIVERY_CHECK_MS);
      if (!idempotencyKey) return;
      this.#store.saveIdempotent(idempotencyKey, { bodyHash, jobId: order.id }, now);
    };
    // One statement is whole by itself.
    if (idempotencyKey) this.#store.transaction(write);
    else write();
    this.#mustWrite = true;
  }

  /**
   * Writes the holds of what the commit accepted, all in one row, and offers the jobs, which
   * leave once that is on disk; `#finish` waits for the answers. When it throws nothing of the
   * commit reaches the disk: no job without its hold. What goes ahead leaves at once, and is
   * waited for only where more come meanwhile that may share the next call.
   */
  #handOver(): boolean {
    const jobs = this.#accepted.map((order) => ({ order, cancelled: false }));
    this.#accepted = [];
    const writes = this.#mustWrite || this.#books.isUseNews;
    // Before our own offer is under way too.
    const isBusy = this.#handOvers.isBusy;
    if (writes) this.#books.save();
    this.#mustWrite = false;
    if (jobs.length > 0) void this.#handOvers.offer(jobs, false);
    return writes || isBusy;
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
        const made = await this.#recallJob(admission.before, bodyHash);
        if (!made.ok) return fail({ ...made.error, rate });
        return ok({ replayed: true, principal, jobId: made.value });
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

  /** The job that a request with this body made, once it is certain that it stays. */
  async #recallJob(
    { bodyHash: known, jobId }: Idempotent,
    bodyHash: string,
  ): Promise<Result<string, AdmissionRefusal>> {
    if (known !== bodyHash) return fail({ reason: 'idempotency_conflict' });
    const underWay = await this.#handOvers.outcome(jobId);
    return underWay && !underWay.ok ? underWay : ok(jobId);
  }

  async recall(
    caller: Caller,
    repeats: readonly Repeat[],
  ): Promise<Result<Recalled, AccessRefusal>> {
    await this.whole();
    const now = Date.now();
    const identified = identify(this.#books, caller, { scope: 'jobs:write', now });
    if (!identified.ok) return identified;
    const jobs = repeats.map(async ({ idempotencyKey, bodyHash }) => {
      const before = this.#store.findIdempotent(idempotencyKey, now);
      return before ? this.#recallJob(before, bodyHash) : ok(null);
    });
    return ok({ principal: identified.value, jobs: await Promise.all(jobs) });
  }

  async quote(caller: Caller, input: SubmitInput): Promise<Result<Quote, AccessRefusal>> {
    await this.whole();
    const now = Date.now();
    const admitted = admit(this.#books, caller, { scope: 'jobs:write', now });
    if (!admitted.ok) return admitted;
    const principal = admitted.value;
    const order = makeOrder(this.#books, { principal, input, now });
    const { heldMillitokens } = order;
    const held = holdJob(this.#books, { principal, input, now });
    const quote = { principal, heldMillitokens, waiting: null };
    if ('refusal' in held) return ok({ ...quote, refusal: held.refusal });
    const preview = await this.#around.env.schedulers.getByName(input.pool).preview(order);
    return preview.ok
      ? ok({ ...quote, refusal: null, waiting: preview.value })
      : ok({ ...quote, refusal: preview.error });
  }

  findCreated(jobId: string): JobRecord | null {
    const job = this.#store.findJob(jobId);
    return job ? asCreated(job.order).record : null;
  }

  async cancelCreated(jobId: string): Promise<CancelResult> {
    await this.#handOvers.outcome(jobId);
    const job = this.#store.findJob(jobId);
    if (!job) return 'unknown';
    if (this.#store.isAhead(jobId)) this.#books.save();
    this.#store.markCancelled(jobId);
    const expiresAt = job.order.createdAt + DELIVERY_CHECK_MS;
    // An offer of a life before may be on its way: it must not find the job ended and forgotten.
    if (job.order.createdAt < this.#bornAt && Date.now() < expiresAt) {
      this.#store.checkLater(jobId, expiresAt);
      this.#around.wakeBy(expiresAt);
      return 'cancel_requested';
    }
    const [handed] = await this.#handOvers.offer([{ order: job.order, cancelled: true }], true);
    // Unanswered: the mark is on disk, and the alarm repeats the offer with it.
    if (!handed?.ok) return 'cancel_requested';
    const { status } = handed.value.record;
    if (status === 'cancelled') return 'cancelled';
    return isTerminal(status) ? 'already_finished' : 'cancel_requested';
  }

  async settle(settlements: readonly Settlement[]): Promise<readonly string[]> {
    // What is not known here may be what a life before this one took.
    await this.whole();
    const taken = settlements.filter(({ jobId }) => !this.#handOvers.isUnderWay(jobId));
    let { account } = this.#books;
    let ended = 0;
    this.#store.transaction(() => {
      for (const { jobId, settledMillitokens } of taken) {
        const hold = this.#store.findHold(jobId);
        if (!hold) continue;
        account = this.#endHolds(account, hold, settledMillitokens);
        ended += 1;
        this.#store.deleteJob(jobId);
      }
      if (ended > 0) this.#store.saveAccount(account);
    });
    this.#books.account = account;
    this.#books.jobsOpen -= ended;
    return taken.map(({ jobId }) => jobId);
  }

  /** Offers again what was not confirmed; by the alarm. */
  async reconcile(now: number): Promise<void> {
    try {
      await this.whole();
    } catch (error) {
      logWarn('account.recover', { message: String(error) });
      this.#around.wakeBy(now + AHEAD_MS);
      return;
    }
    this.#writeAhead(now);
    await this.#handOvers.reconcile(now);
    const checkAt = this.#store.nextCheckAt();
    if (checkAt !== null) this.#around.wakeBy(checkAt);
  }

  /** Resolves when all that was taken is known here again; rejects while its pool is away. */
  async whole(): Promise<void> {
    if (this.#isWhole) return;
    this.#recovery ??= recover(this.#around.env, this.#books)
      .then(() => {
        this.#isWhole = true;
      })
      .finally(() => {
        this.#recovery = null;
      });
    return this.#recovery;
  }

  /** Writes what is ahead of the disk, and goes ahead no longer once it is quiet. */
  #writeAhead(now: number): void {
    const { account } = this.#books;
    const { life } = account;
    if (life.aheadIn === null) return;
    const isQuiet = now - this.#submittedAt >= AHEAD_MS;
    if (isQuiet) this.#books.account = { ...account, life: { ...life, aheadIn: null } };
    else this.#around.wakeBy(now + AHEAD_MS);
    if (isQuiet || this.#store.aheadCount > 0) this.#books.save();
  }

  /** Takes back what was never acknowledged. */
  #undo(order: JobOrder, idempotencyKey: string | null): void {
    const hold = this.#store.findHold(order.id);
    if (!hold) return;
    const account = this.#endHolds(this.#books.account, hold, 0);
    const isWritten = !this.#store.isAhead(order.id);
    this.#store.transaction(() => {
      this.#store.deleteJob(order.id);
      if (idempotencyKey) this.#store.deleteIdempotent(idempotencyKey);
      if (isWritten) this.#store.saveAccount(account);
    });
    this.#books.account = account;
    this.#books.jobsOpen -= 1;
  }

  /** Ends a hold on the account and, where it was held there too, on its key's budget. */
  #endHolds(account: AccountRow, hold: KeptHold, settled: number): AccountRow {
    const ended = { ...account, credit: endHold(account.credit, hold, settled) };
    const { keyId } = hold;
    const use = keyId === null ? undefined : account.uses[keyId];
    // A key that was forgotten has no budget to give back to.
    if (
      keyId === null ||
      !use ||
      (this.#books.keys.get(keyId)?.dailyMillitokens ?? null) === null
    ) {
      return ended;
    }
    return withUse(ended, keyId, { ...use, credit: endHold(use.credit, hold, settled) });
  }
}

/** The order of a job that its Scheduler has on disk before we have. */
function markAhead(
  order: JobOrder,
  { idempotencyKey, bodyHash }: SubmitInput,
  ordinal: number,
): JobOrder {
  const idempotency = idempotencyKey === null ? null : { key: idempotencyKey, bodyHash };
  return { ...order, ahead: { ordinal, idempotency } };
}
