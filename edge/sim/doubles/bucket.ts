/**
 * Stands in for edge/io/r2: objects by key, whole or absent. Away, it throws; now and then it
 * stores an object and throws all the same.
 */
import type { putObject as realPutObject } from '../../io/r2.ts';
import { ok } from '../../core/result.ts';
import { theSite } from '../site.ts';

export const DELETE_KEYS_MAX = 1000;

/** What is stored, by key. */
export class Bucket {
  readonly objects = new Map<string, { readonly bytes: number; readonly sha256: string }>();
}

export const putObject: typeof realPutObject = async (_, object) => {
  const { bucket, faults, world } = theSite();
  const { key, bytes, sha256 } = object;
  if (faults.bucketAway) throw new Error('R2 is away');
  const known = bucket.objects.get(key);
  if (known && known.sha256 !== sha256) {
    world.violate('an object in R2 is never overwritten by another', key);
  }
  bucket.objects.set(key, { bytes, sha256 });
  if (faults.bucketFails()) throw new Error('R2 gave no answer');
  return ok(null);
};

export function getObject(): never {
  throw new Error('the simulation reads nothing from R2');
}
