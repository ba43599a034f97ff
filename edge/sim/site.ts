/**
 * What stands in the running world, for the doubles that production code imports: they have no
 * other way to it than this thread's one site.
 */
import type { QueueState } from '../core/state.ts';
import type { Bucket } from './doubles/bucket.ts';
import type { Database } from './doubles/database.ts';
import type { Oracle } from './checks/oracle.ts';
import type { Faults } from './faults.ts';
import type { Instance } from './platform/object.ts';
import type { World } from './world.ts';

export interface Site {
  readonly world: World;
  readonly faults: Faults;
  readonly database: Database;
  readonly bucket: Bucket;
  readonly oracle: Oracle;
  /** The state of each pool's living object. */
  /** Whose pool was changed in this turn. */
  readonly changed: Set<Instance>;
  readonly states: Map<Instance, QueueState>;
  /** Whether each line of a log is noted. */
  readonly isVerbose: boolean;
}

let site: Site | null = null;

export function setSite(next: Site | null): void {
  site = next;
}

export function theSite(): Site {
  if (!site) throw new Error('no site is set');
  return site;
}
