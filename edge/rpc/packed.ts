/**
 * The calls that carry every new job go over RPC as one string of JSON: an object is copied field
 * by field, on both sides and both ways, which costs more than the call itself. Only for values
 * that JSON leaves as they are: no Date, Map or NaN, and no undefined in a list.
 */

declare const of: unique symbol;

/** A T in JSON. */
export type Packed<T> = string & { readonly [of]: T };

export function pack<T>(value: T): Packed<T> {
  return JSON.stringify(value) as Packed<T>;
}

/** Values that are packed already, as a list. */
export function packAll<T>(values: readonly Packed<T>[]): Packed<readonly T[]> {
  return `[${values.join(',')}]` as Packed<readonly T[]>;
}

export function unpack<T>(packed: Packed<T>): T {
  return JSON.parse(packed) as T;
}
