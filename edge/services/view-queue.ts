/** How all pools together stand, for the operator. */
import type { QueueOverview } from '#schema/api.ts';
import { TIERS } from '#schema/plan.ts';
import type { Env } from '../env.ts';

export async function viewQueue(env: Env): Promise<QueueOverview> {
  const pools = await Promise.all(
    env.pools.map((pool) => env.schedulers.getByName(pool).overview()),
  );
  const sum = (pick: (pool: QueueOverview) => number) =>
    pools.reduce((total, pool) => total + pick(pool), 0);
  const waiting = TIERS.map((tier) => [tier, sum((pool) => pool.waiting[tier])] as const);
  return {
    waiting: Object.fromEntries(waiting) as QueueOverview['waiting'],
    running: sum((pool) => pool.running),
    undelivered: {
      postgres: sum((pool) => pool.undelivered.postgres),
      account: sum((pool) => pool.undelivered.account),
      feed: sum((pool) => pool.undelivered.feed),
      courier: sum((pool) => pool.undelivered.courier),
    },
  };
}
