/**
 * How an account takes jobs: each is admitted, held and written in one turn, and submits that come
 * together share a commit and a call to their Scheduler. A hold is placed on the account and, when
 * its key has a budget, on the key; both end together, once. What the Scheduler refuses before our
 * word was given is taken back.
 */
import { isTerminal } from '#schema/job.ts';
import { DELIVERY_CHECK_MS } from '#schema/limits.ts';
import type { JobOrder, JobRecord } from '#schema/record.ts';
import { endHold } from '../core/credit.ts';
import { fail, ok } from '../core/result.ts';
import type { Result } from '../core/result.ts';
import { CommitGroup } from '../io/commit-group.ts';
import type {
  AccessRefusal,
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
import { withUse } from './books.ts';
import type { Books, Surroundings } from './books.ts';
import { admit, charge } from './gate.ts';
import { HandOvers } from './hand-over.ts';
import { noteQuota } from './news.ts';
import { asCreated, holdJob, makeOrder } from './order.ts';
import type { Holds } from './order.ts';
import type { AccountRow, Idempotent, KeptHold } from './row.ts';
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

  constructor(around: Surroundings, books: Books) {
    this.#around = around;
    this.#books = books;
    this.#store = around.store;
    this.#handOvers = new HandOvers(around.env, around.store, around.wakeBy);
    this.#commits = new CommitGroup(around.ctx, { afterEach: () => this.#handOver() });
  }

  async submitAll(
    caller: Caller,
    inputs: readonly SubmitInput[],
  ): Promise<Result<SubmittedAll, AccessRefusal>> {
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
    this.#accept(order, input, held.holds);
    noteQuota(this.#books, now, false);
    return { kind: 'accepted', order };
  }

  /** Makes the job CREATED: it and its holds are written in one commit. */
  #accept(order: JobOrder, { idempotencyKey, bodyHash }: SubmitInput, holds: Holds): void {
    const books = this.#books;
    const now = order.createdAt;
    const write = () => {
      this.#store.insertJob(order, now + DELIVERY_CHECK_MS);
      if (!idempotencyKey) return;
      this.#store.saveIdempotent(idempotencyKey, { bodyHash, jobId: order.id }, now);
    };
    // One statement is whole by itself.
    if (idempotencyKey) this.#store.transaction(write);
    else write();
    const account = { ...books.account, credit: holds.account };
    const { apiKeyId } = order;
    books.account =
      holds.key === null || apiKeyId === null
        ? account
        : withUse(account, apiKeyId, { ...books.use(apiKeyId), credit: holds.key });
    books.jobsOpen += 1;
    this.#accepted.push(order);
    this.#around.wakeBy(now + DELIVERY_CHECK_MS);
  }

  /**
   * Writes the holds of what the commit accepted, all in one row, and offers the jobs, which
   * leave once that is on disk; `#finish` waits for the answers. When it throws nothing of the
   * commit reaches the disk: no job without its hold.
   */
  #handOver(): void {
    const jobs = this.#accepted.map((order) => ({ order, cancelled: false }));
    this.#accepted = [];
    if (jobs.length > 0 || this.#books.isUseNews) this.#books.save();
    if (jobs.length > 0) void this.#handOvers.offer(jobs, false);
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
    this.#store.markCancelled(jobId);
    const [handed] = await this.#handOvers.offer([{ order: job.order, cancelled: true }], true);
    // Unanswered: the mark is on disk, and the alarm repeats the offer with it.
    if (!handed?.ok) return 'cancel_requested';
    const { status } = handed.value.record;
    if (status === 'cancelled') return 'cancelled';
    return isTerminal(status) ? 'already_finished' : 'cancel_requested';
  }

  settle(settlements: readonly Settlement[]): readonly string[] {
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
    await this.#handOvers.reconcile(now);
    const checkAt = this.#store.nextCheckAt();
    if (checkAt !== null) this.#around.wakeBy(checkAt);
  }

  /** Takes back what was never acknowledged. */
  #undo(order: JobOrder, idempotencyKey: string | null): void {
    const hold = this.#store.findHold(order.id);
    if (!hold) return;
    const account = this.#endHolds(this.#books.account, hold, 0);
    this.#store.transaction(() => {
      this.#store.saveAccount(account);
      this.#store.deleteJob(order.id);
      if (idempotencyKey) this.#store.deleteIdempotent(idempotencyKey);
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
