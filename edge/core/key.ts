/**
 * What an API key may do: its scopes, its models, and which keys it may make. A key never gives
 * more than it has: one that is kept to models, a budget or a rate makes no keys at all, and one
 * with scopes makes only keys whose scopes are among its own.
 */
import type { Scope } from '#schema/scope.ts';

/** The part of a key that is decided when it is made. Empty scopes and null mean no limit. */
export interface KeyPowers {
  readonly scopes: readonly Scope[];
  readonly models: readonly string[] | null;
  readonly dailyMillitokens: number | null;
  readonly requestsPerMinute: number | null;
  /** Epoch ms. */
  readonly expiresAt: number | null;
}

/** Whether a key may do what `scope` stands for. */
export function mayDo(key: KeyPowers, scope: Scope): boolean {
  if (scope === 'keys:write' && isKept(key)) return false;
  return key.scopes.length === 0 || key.scopes.includes(scope);
}

/** Whether a key may use a model. */
export function mayUse(key: KeyPowers, model: string): boolean {
  return key.models === null || key.models.includes(model);
}

/** Whether a key with these powers may hand out a secret of a key with those. */
export function mayGive(giver: KeyPowers, given: KeyPowers): boolean {
  if (isKept(giver)) return false;
  if (giver.expiresAt !== null && (given.expiresAt ?? Infinity) > giver.expiresAt) return false;
  if (giver.scopes.length === 0) return true;
  return given.scopes.length > 0 && given.scopes.every((scope) => giver.scopes.includes(scope));
}

function isKept(key: KeyPowers): boolean {
  return key.models !== null || key.dailyMillitokens !== null || key.requestsPerMinute !== null;
}
