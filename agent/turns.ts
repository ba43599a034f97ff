/**
 * Whose turn it is on an engine that several sessions share: one run at a time, and the sessions
 * with a job that waits in turn, so that no pool is kept from the engine by another. Pure.
 */
import type { Lent } from './session/state.ts';

/** What one session has to do with the engine. */
export interface Claim {
  /** Whether a run of it has the engine. */
  readonly runs: boolean;
  /** Whether a job of it waits for the engine. */
  readonly waits: boolean;
  /** When its run should end; null when it has none, or nothing tells. */
  readonly endsAt: number | null;
}

/**
 * For each session what it is to know: null when the engine is its own as soon as no run of its
 * own has it, else that it is lent. `last` is the place of the session that ran last.
 */
export function lendEngine(claims: readonly Claim[], last: number): readonly (Lent | null)[] {
  const runner = claims.findIndex(({ runs }) => runs);
  const next = nextInTurn(claims, runner === -1 ? last : runner);
  return claims.map((_, place) => {
    if (runner !== -1 && place !== runner) return { freeAt: claims[runner]!.endsAt };
    return next === null || place === next ? null : { freeAt: null };
  });
}

/** The first that waits after `last`, which itself comes at the very end; null when none does. */
function nextInTurn(claims: readonly Claim[], last: number): number | null {
  for (let step = 1; step <= claims.length; step++) {
    const place = (last + step) % claims.length;
    if (claims[place]!.waits) return place;
  }
  return null;
}
