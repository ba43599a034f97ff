/**
 * The Account object, one per account: verifies its keys, limits its rate, holds its tokens and
 * accepts its jobs. An accepted job is CREATED: it and its hold are on disk before the answer
 * leaves (intake.ts), here or, for an account that submits much, with the Scheduler (ahead.ts).
 * Each job is handed to its Scheduler (hand-over.ts); an alarm offers again what was not
 * confirmed, so no hold outlives its job.
 * Never: spent + held over the day's limit when a hold is placed; two settlements of one hold.
 */
import { DurableObject } from 'cloudflare:workers';
import type { JobRecord } from '#schema/record.ts';
import type { Scope } from '#schema/scope.ts';
import type { WebhookEndpointRow } from '#schema/webhook.ts';
import { DAY_MS, RECONCILE_MS } from '#schema/limits.ts';
import { newDay, utcDay } from '../core/credit.ts';
import { fail, ok } from '../core/result.ts';
import type { Result } from '../core/result.ts';
import { parseEnv } from '../env.ts';
import type { Bindings } from '../env.ts';
import type {
  AccessRefusal,
  AccountObject,
  AccountProfile,
  AccountState,
  AdmissionRefusal,
  Caller,
  CancelResult,
  Deed,
  EndpointChange,
  EndpointPutRefusal,
  KeyChange,
  KeyRefusal,
  KeyState,
  Measure,
  MeasureRefusal,
  NewKey,
  Principal,
  Quote,
  Recalled,
  Repeat,
  Settlement,
  SubmitInput,
  Submitted,
  SubmittedAll,
} from '../rpc/account.ts';
import { pack, unpack } from '../rpc/packed.ts';
import type { Packed } from '../rpc/packed.ts';
import { Books, makeMirror } from './books.ts';
import type { Surroundings } from './books.ts';
import { deleteEndpoint, disableEndpoint, putEndpoint } from './endpoint.ts';
import { admit } from './gate.ts';
import { Intake } from './intake.ts';
import { listKeys, makeKey, revokeKey, rotateKey, showKey } from './keyring.ts';
import { accountRows } from './mirror.ts';
import { administer, endPlan, showProfile, showState } from './office.ts';
import { NEW_LIFE, NO_LIMITS } from './row.ts';
import type { AccountRow } from './row.ts';
import { AccountStore } from './store.ts';

/** The end of a plan that lasts longer is looked for again after this. */
const PLAN_LOOK_MS = 366 * DAY_MS;

const NOBODY = { reason: 'unauthorized' } as const;

/** One account; see above. */
export class Account extends DurableObject<Bindings> implements AccountObject {
  readonly #around: Surroundings;
  readonly #store: AccountStore;
  /** Null until the account is made. */
  #open: { readonly books: Books; readonly intake: Intake } | null = null;
  #alarmAt: number | null = null;
  #prunedAt = 0;

  constructor(ctx: DurableObjectState, bindings: Bindings) {
    super(ctx, bindings);
    this.#store = new AccountStore(ctx.storage);
    const wakeBy = (at: number) => this.#wakeBy(at);
    this.#around = { ctx, env: parseEnv(bindings), store: this.#store, wakeBy };
    if (this.#store.exists()) this.#load();
    void ctx.blockConcurrencyWhile(async () => {
      this.#alarmAt = await ctx.storage.getAlarm();
    });
  }

  async create(input: Parameters<AccountObject['create']>[0]): Promise<boolean> {
    if (this.#open) return false;
    const now = Date.now();
    const { id, name, plan, apiKey, actor, requestId } = input;
    const account: AccountRow = {
      ...{ id, name, plan, planUntil: null, planAfter: 'free', blocked: false, blockReason: null },
      ...{ createdAt: now, credit: newDay(utcDay(now)), tat: 0, told: null, uses: {} },
      life: NEW_LIFE,
    };
    const keys = apiKey ? [{ ...NO_LIMITS, ...apiKey, createdAt: now, revokedAt: null }] : [];
    this.#store.transaction(() => {
      this.#store.makeTables();
      this.#store.saveAccount(account);
      for (const key of keys) this.#store.saveKey(key);
      const detail = { keys: keys.map((key) => key.id) };
      const cause = { actor, requestId, reason: null, action: 'account.create', detail, now };
      makeMirror(this.#around).add(accountRows(account, keys, cause));
    });
    this.#load().books.flush();
    return true;
  }

  async keys(): Promise<readonly KeyState[]> {
    await this.#lookWhole();
    return this.#open ? listKeys(this.#open.books, Date.now()) : [];
  }

  async makeKey(key: NewKey, change: KeyChange): Promise<Result<KeyState, KeyRefusal>> {
    return this.#open ? makeKey(this.#open.books, key, change) : fail({ reason: 'key_not_found' });
  }

  async rotateKey(
    key: Parameters<AccountObject['rotateKey']>[0],
    change: KeyChange,
  ): Promise<Result<KeyState, KeyRefusal>> {
    return this.#open
      ? rotateKey(this.#open.books, key, change)
      : fail({ reason: 'key_not_found' });
  }

  async revokeKey(apiKeyId: string, deed: Deed): Promise<boolean> {
    return this.#open !== null && revokeKey(this.#open.books, apiKeyId, deed);
  }

  async authenticate(caller: Caller, scope: Scope): Promise<Result<Principal, AccessRefusal>> {
    return this.#admit(caller, scope, Date.now());
  }

  async state(
    caller: Caller,
  ): Promise<
    Result<{ principal: Principal; account: AccountState; key: KeyState | null }, AccessRefusal>
  > {
    await this.#lookWhole();
    const now = Date.now();
    const principal = this.#admit(caller, 'account:read', now);
    if (!principal.ok) return principal;
    const { books } = this.#open!;
    const key = books.keys.get(principal.value.apiKeyId ?? '');
    return ok({
      principal: principal.value,
      account: showState(books, now),
      key: key ? showKey(books, key, now) : null,
    });
  }

  async administer(measure: Measure, deed: Deed): Promise<Result<AccountProfile, MeasureRefusal>> {
    if (!this.#open) return fail({ reason: 'account_not_found' });
    const profile = administer(this.#open.books, measure, deed);
    this.#wakeAtPlanEnd();
    return profile;
  }

  async profile(): Promise<AccountProfile | null> {
    await this.#lookWhole();
    return this.#open && showProfile(this.#open.books, Date.now());
  }

  async putEndpoint(
    endpoint: WebhookEndpointRow,
    change: EndpointChange,
  ): Promise<Result<string, EndpointPutRefusal>> {
    return this.#open
      ? putEndpoint(this.#open.books, endpoint, change)
      : fail({ reason: 'endpoint_not_found' });
  }

  async deleteEndpoint(id: string, deed: Deed): Promise<boolean> {
    return this.#open !== null && deleteEndpoint(this.#open.books, id, deed);
  }

  async endpoints(): Promise<readonly WebhookEndpointRow[]> {
    return this.#open ? [...this.#open.books.endpoints.values()] : [];
  }

  async disableEndpoint(id: string): Promise<boolean> {
    return this.#open !== null && disableEndpoint(this.#open.books, id);
  }

  async submit(
    caller: Caller,
    input: Packed<SubmitInput>,
  ): Promise<Packed<Result<Submitted, AdmissionRefusal>>> {
    const answer = await this.#submitAll(caller, [unpack(input)]);
    return pack(answer.ok ? answer.value.jobs[0]! : answer);
  }

  async submitAll(
    caller: Caller,
    inputs: Packed<readonly SubmitInput[]>,
  ): Promise<Packed<Result<SubmittedAll, AccessRefusal>>> {
    return pack(await this.#submitAll(caller, unpack(inputs)));
  }

  async #submitAll(
    caller: Caller,
    inputs: readonly SubmitInput[],
  ): Promise<Result<SubmittedAll, AccessRefusal>> {
    return this.#open ? this.#open.intake.submitAll(caller, inputs) : fail(NOBODY);
  }

  async recall(
    caller: Caller,
    repeats: readonly Repeat[],
  ): Promise<Result<Recalled, AccessRefusal>> {
    return this.#open ? this.#open.intake.recall(caller, repeats) : fail(NOBODY);
  }

  async quote(caller: Caller, input: SubmitInput): Promise<Result<Quote, AccessRefusal>> {
    return this.#open ? this.#open.intake.quote(caller, input) : fail(NOBODY);
  }

  async findCreated(jobId: string): Promise<JobRecord | null> {
    return this.#open && this.#open.intake.findCreated(jobId);
  }

  async cancelCreated(jobId: string): Promise<CancelResult> {
    return this.#open ? this.#open.intake.cancelCreated(jobId) : 'unknown';
  }

  async settle(settlements: readonly Settlement[]): Promise<readonly string[]> {
    if (this.#open) return this.#open.intake.settle(settlements);
    return settlements.map(({ jobId }) => jobId);
  }

  override async alarm(): Promise<void> {
    this.#alarmAt = null;
    if (!this.#open) return;
    const { books, intake } = this.#open;
    const now = Date.now();
    if (now - this.#prunedAt >= RECONCILE_MS) {
      this.#prunedAt = now;
      this.#store.deleteOldIdempotent(now);
    }
    endPlan(books, now);
    await intake.reconcile(now);
    await books.mirror.drain();
    await books.news.drain();
    for (const at of [books.mirror.nextAt(), books.news.nextAt()]) {
      if (at !== null) this.#wakeBy(at);
    }
    this.#wakeAtPlanEnd();
  }

  /** Before figures are shown: while their pool is away they are as they were written. */
  async #lookWhole(): Promise<void> {
    await this.#open?.intake.whole().catch(() => {});
  }

  #admit(caller: Caller, scope: Scope, now: number): Result<Principal, AccessRefusal> {
    if (!this.#open) return fail(NOBODY);
    const { books } = this.#open;
    const admitted = admit(books, caller, { scope, now });
    if (books.isUseNews) books.save();
    return admitted;
  }

  #load(): { readonly books: Books; readonly intake: Intake } {
    const books = new Books(this.#around);
    this.#open = { books, intake: new Intake(this.#around, books) };
    return this.#open;
  }

  #wakeAtPlanEnd(): void {
    const planUntil = this.#open?.books.account.planUntil ?? null;
    // The platform takes no alarm of the far future.
    if (planUntil !== null) this.#wakeBy(Math.min(planUntil, Date.now() + PLAN_LOOK_MS));
  }

  /** One alarm wakes the object by this time at the latest; moving it costs a row. */
  #wakeBy(at: number): void {
    if (this.#alarmAt !== null && this.#alarmAt <= at) return;
    this.#alarmAt = Math.max(at, Date.now() + 1);
    void this.ctx.storage.setAlarm(this.#alarmAt);
  }
}
