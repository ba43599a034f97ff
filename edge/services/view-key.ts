/** Shows an API key as the API gives it: decimal tokens, ISO times. Pure. */
import type { KeyView } from '#schema/key.ts';
import { toTokens } from '#schema/price.ts';
import type { KeyState } from '../rpc/account.ts';

/** The key's view. */
export function viewKey(key: KeyState): KeyView {
  return {
    id: key.id,
    name: key.name,
    hint: key.hint,
    scopes: [...key.scopes],
    models: key.models && [...key.models],
    requests_per_minute: key.requestsPerMinute,
    budget: key.budget && viewBudget(key.budget),
    created_at: toIso(key.createdAt),
    expires_at: key.expiresAt === null ? null : toIso(key.expiresAt),
    last_used_at: key.usedAt === null ? null : toIso(key.usedAt),
    rotated_secret_until: key.overlapUntil === null ? null : toIso(key.overlapUntil),
  };
}

function viewBudget(budget: NonNullable<KeyState['budget']>): NonNullable<KeyView['budget']> {
  const { limitMillitokens, spentMillitokens, heldMillitokens } = budget;
  return {
    day: budget.day,
    limit: toTokens(limitMillitokens),
    spent: toTokens(spentMillitokens),
    held: toTokens(heldMillitokens),
    available: toTokens(limitMillitokens - spentMillitokens - heldMillitokens),
    renews_at: toIso(budget.renewsAt),
  };
}

function toIso(ms: number): string {
  return new Date(ms).toISOString();
}
