/**
 * Throws when `condition` is false: a programmer's error, never a user's.
 * On in production. `what` says what must hold.
 */
export function assert(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${what}`);
}
