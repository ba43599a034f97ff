/** From a submit to an order: which key it is, whether the account may, and what is ordered. */
import { PLANS } from '#schema/plan.ts';
import { quoteMillitokens } from '#schema/price.ts';
import type { JobOrder, LiveJob } from '#schema/record.ts';
import { refuseByPlan } from '../core/admission.ts';
import { available, placeHold, renewalAfter, rollTo, utcDay } from '../core/credit.ts';
import type { Credit } from '../core/credit.ts';
import type { AdmissionRefusal, Principal, SubmitInput } from '../rpc/account.ts';
import { equalHash } from '../io/token.ts';
import type { AccountRow, ApiKeyRow } from './store.ts';

/** The live key with this secret; every key is compared, each in constant time. */
export function findKey(keys: Iterable<ApiKeyRow>, secretHash: string): ApiKeyRow | null {
  let found: ApiKeyRow | null = null;
  for (const key of keys) {
    if (equalHash(key.secretHash, secretHash) && key.revokedAt === null) found = key;
  }
  return found;
}

/** Why the account may not submit this job now, or null. */
export function refuseJob(
  { account, jobsOpen }: { readonly account: AccountRow; readonly jobsOpen: number },
  input: SubmitInput,
  now: number,
): AdmissionRefusal | null {
  const plan = PLANS[account.plan];
  const byPlan = refuseByPlan(account.plan, input.spec);
  if (byPlan) return byPlan;
  if (jobsOpen >= plan.jobsOpenMax) return { reason: 'too_many_jobs', limit: plan.jobsOpenMax };
  const credit = rollTo(account.credit, utcDay(now));
  const needed = quoteMillitokens(input.spec);
  if (placeHold(credit, needed, plan.dailyMillitokens)) return null;
  return {
    reason: 'tokens_exhausted',
    neededMillitokens: needed,
    availableMillitokens: available(credit, plan.dailyMillitokens),
    limitMillitokens: plan.dailyMillitokens,
    renewsAt: renewalAfter(now),
  };
}

/** The order of an admitted submit: held for at most its quote, on the account's day. */
export function makeOrder(
  principal: Principal,
  from: { input: SubmitInput; credit: Credit; now: number },
): JobOrder {
  const { input, credit, now } = from;
  return {
    id: input.jobId,
    accountId: principal.accountId,
    apiKeyId: principal.apiKeyId,
    requestId: input.requestId,
    tier: PLANS[principal.plan].tier,
    spec: input.spec,
    metadata: input.metadata,
    heldMillitokens: quoteMillitokens(input.spec),
    day: rollTo(credit, utcDay(now)).day,
    createdAt: now,
    deadlineAt: input.deadlineS === null ? null : now + input.deadlineS * 1000,
    notices: input.notices,
  };
}

/** The job of an order that the Scheduler has not confirmed. */
export function asCreated(order: JobOrder): LiveJob {
  return {
    record: {
      ...order,
      status: 'created',
      sequence: 1,
      attempt: 0,
      agentId: null,
      queuedAt: null,
      startedAt: null,
      finishedAt: null,
      cancelRequestedAt: null,
      settledMillitokens: null,
      artifacts: [],
      usage: {},
      timings: null,
      error: null,
    },
    progress: null,
    waiting: null,
  };
}
