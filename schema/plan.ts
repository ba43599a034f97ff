/**
 * Plans: what is bought, and what it allows. A plan gives an account its tier in the queue,
 * its tokens a day, its largest picture and its requests a minute.
 * Amounts are millitokens: integers of a thousandth of a token; 1 token = one 1024x1024 image.
 */
import { z } from 'zod';

/** Priority classes of the queue, highest first. Strict: a higher one always goes first. */
export const TIERS = ['admin', 'pro', 'starter', 'free'] as const;
export const Tier = z.enum(TIERS);
export type Tier = z.infer<typeof Tier>;

export const PlanId = z.enum(['free', 'starter', 'pro', 'admin']).meta({ id: 'PlanId' });
export type PlanId = z.infer<typeof PlanId>;

export interface Plan {
  readonly id: PlanId;
  readonly title: string;
  /** US cents a month. */
  readonly priceCents: number;
  readonly dailyMillitokens: number;
  readonly tier: Tier;
  /** Longest side of a picture or video, pixels. */
  readonly sidePxMax: number;
  /** Jobs waiting or running at once. */
  readonly jobsOpenMax: number;
  /** API requests a minute, sustained; a burst may take as many at once. */
  readonly requestsPerMinute: number;
  /** Whether API keys work. */
  readonly api: boolean;
  /** API keys that are not revoked. */
  readonly keysMax: number;
  /** Webhook endpoints. */
  readonly webhooksMax: number;
}

export const PLANS: Readonly<Record<PlanId, Plan>> = {
  free: {
    id: 'free',
    title: 'Free',
    priceCents: 0,
    dailyMillitokens: 20_000,
    tier: 'free',
    sidePxMax: 1024,
    jobsOpenMax: 5,
    requestsPerMinute: 30,
    api: false,
    keysMax: 0,
    webhooksMax: 0,
  },
  starter: {
    id: 'starter',
    title: 'Starter',
    priceCents: 500,
    dailyMillitokens: 120_000,
    tier: 'starter',
    sidePxMax: 1536,
    jobsOpenMax: 50,
    requestsPerMinute: 120,
    api: true,
    keysMax: 5,
    webhooksMax: 2,
  },
  pro: {
    id: 'pro',
    title: 'Pro',
    priceCents: 1200,
    dailyMillitokens: 300_000,
    tier: 'pro',
    sidePxMax: 2048,
    jobsOpenMax: 500,
    requestsPerMinute: 1200,
    api: true,
    keysMax: 20,
    webhooksMax: 10,
  },
  admin: {
    id: 'admin',
    title: 'Admin',
    priceCents: 0,
    dailyMillitokens: 10_000_000,
    tier: 'admin',
    sidePxMax: 2048,
    jobsOpenMax: 1000,
    requestsPerMinute: 6000,
    api: true,
    keysMax: 50,
    webhooksMax: 20,
  },
};

const RANK: Readonly<Record<PlanId, number>> = { free: 0, starter: 1, pro: 2, admin: 3 };

/** Whether `plan` allows what needs at least `needed`. */
export function planIncludes(plan: PlanId, needed: PlanId): boolean {
  return RANK[plan] >= RANK[needed];
}
