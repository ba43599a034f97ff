/** From a submit to an order: whether the account and the key may, and what is ordered. */
import { PLANS } from '#schema/plan.ts';
import { quoteMillitokens } from '#schema/price.ts';
import type { JobOrder, LiveJob, Notice } from '#schema/record.ts';
import type { WebhookEndpointRow } from '#schema/webhook.ts';
import { refuseByPlan } from '../core/admission.ts';
import { available, placeHold, renewalAfter, rollTo } from '../core/credit.ts';
import type { Credit } from '../core/credit.ts';
import { mayUse } from '../core/key.ts';
import type { AdmissionRefusal, Principal, SubmitInput } from '../rpc/account.ts';
import type { Books } from './books.ts';
import type { ApiKeyRow } from './row.ts';

/** The credits that a job is held on, after its hold. */
export interface Holds {
  readonly account: Credit;
  /** Null when the key has no budget. */
  readonly key: Credit | null;
}

/** Why the account may not submit this job now, or the credits with its hold. */
export function holdJob(
  books: Books,
  { principal, input, now }: { principal: Principal; input: SubmitInput; now: number },
): { readonly refusal: AdmissionRefusal } | { readonly holds: Holds } {
  const plan = PLANS[principal.plan];
  const { model } = input.spec;
  const key = books.keys.get(principal.apiKeyId ?? '') ?? null;
  const byPlan = refuseByPlan(plan.id, input.spec);
  if (byPlan) return { refusal: byPlan };
  if (key?.models && !mayUse(key, model)) {
    return { refusal: { reason: 'model_not_allowed', model, allowed: key.models } };
  }
  if (books.jobsOpen >= plan.jobsOpenMax) {
    return { refusal: { reason: 'too_many_jobs', limit: plan.jobsOpenMax } };
  }
  const needed = quoteMillitokens(input.spec);
  const credit = books.credit(now);
  const ofKey = key && holdOnKey(books, key, { day: credit.day, needed });
  if (ofKey === 'exhausted') {
    const use = rollTo(books.use(key!.id).credit, credit.day);
    const over = { credit: use, limit: key!.dailyMillitokens!, needed, now };
    return { refusal: { reason: 'key_budget_exhausted', ...shortOf(over) } };
  }
  const account = placeHold(credit, needed, plan.dailyMillitokens);
  if (account) return { holds: { account, key: ofKey } };
  const over = { credit, limit: plan.dailyMillitokens, needed, now };
  return { refusal: { reason: 'tokens_exhausted', ...shortOf(over) } };
}

function holdOnKey(
  books: Books,
  key: ApiKeyRow,
  { day, needed }: { day: string; needed: number },
): Credit | 'exhausted' | null {
  if (key.dailyMillitokens === null) return null;
  const { credit } = books.use(key.id);
  return placeHold(rollTo(credit, day), needed, key.dailyMillitokens) ?? 'exhausted';
}

function shortOf(over: { credit: Credit; limit: number; needed: number; now: number }) {
  const { credit, limit, needed, now } = over;
  return {
    neededMillitokens: needed,
    availableMillitokens: available(credit, limit),
    limitMillitokens: limit + credit.grantedMillitokens,
    renewsAt: renewalAfter(now),
  };
}

/** The order of an admitted submit: held for at most its quote, on the account's day. */
export function makeOrder(
  books: Books,
  { principal, input, now }: { principal: Principal; input: SubmitInput; now: number },
): JobOrder {
  return {
    id: input.jobId,
    accountId: principal.accountId,
    apiKeyId: principal.apiKeyId,
    requestId: input.requestId,
    tier: PLANS[principal.plan].tier,
    spec: input.spec,
    metadata: input.metadata,
    heldMillitokens: quoteMillitokens(input.spec),
    day: books.credit(now).day,
    createdAt: now,
    deadlineAt: input.deadlineS === null ? null : now + input.deadlineS * 1000,
    notices: [...input.notices, ...noticesOf(books.endpoints.values())],
  };
}

/** A notice for each endpoint that wants to hear of jobs; which of their ends, its courier knows. */
function noticesOf(endpoints: Iterable<WebhookEndpointRow>): Notice[] {
  return [...endpoints]
    .filter(({ disabled, events }) => !disabled && events.some((one) => one.startsWith('job.')))
    .map(({ id }) => ({ kind: 'webhook', courier: id, url: null, secret: null }));
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
