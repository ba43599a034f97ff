/**
 * What is called for every job goes over RPC as one string of JSON: an object is copied field by
 * field, on both sides and both ways, which costs more than the call itself.
 */

/** A T in JSON. */
export type Packed<T> = string & { readonly packed?: T };

export function pack<T>(value: T): Packed<T> {
  return JSON.stringify(value);
}

/** Values that are packed already, as a list. */
export function packAll<T>(values: readonly Packed<T>[]): Packed<readonly T[]> {
  return `[${values.join(',')}]`;
}

export function unpack<T>(packed: Packed<T>): T {
  return JSON.parse(packed) as T;
}
