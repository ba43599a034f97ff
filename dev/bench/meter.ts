/**
 * What meter.mjs counted between two readings, as a bill: amounts of what Cloudflare charges for,
 * and beside it what the bill hides (which calls, how many alarms). Pure.
 */
import { mapBill, OBJECT_GB, type Bill, type PricedItem } from './price.ts';

/** What meter.mjs has counted of one class of objects. */
export interface ClassCounts {
  readonly requests: Readonly<Record<string, number>>;
  /** Of sockets, by verb. */
  readonly messages?: Readonly<Record<string, number>>;
  readonly rows: number;
  readonly rowsRead?: number;
  readonly alarmsSet: number;
  readonly activeMs: number;
}
export interface Reading {
  readonly classes: Readonly<Record<string, ClassCounts>>;
  readonly paths: Readonly<Record<string, number>>;
}

/** What a phase used, beside its bill. */
export interface Phase {
  readonly bill: Bill;
  /** Requests and messages to objects, but for progress and parked polls. */
  readonly lifeRequests: number;
  readonly requests: Readonly<Record<string, number>>;
  readonly alarmRows: number;
}

/** Calls of agents that wait or report progress, and our own look at the queue. */
const ASIDE = [
  'Scheduler.acquire',
  'Scheduler.control',
  'Scheduler.renew',
  'Scheduler.end',
  'Scheduler.overview',
];
/** Messages that are charged as one request. */
export const MESSAGES_PER_REQUEST = 20;
export const OWN_LOOK = 'Scheduler.overview';

/** The bill of what lies between two readings. */
export function toPhase(before: Reading, after: Reading): Phase {
  const grown = (read: (counts: ClassCounts) => number, name: string) =>
    read(after.classes[name]!) - (before.classes[name] ? read(before.classes[name]) : 0);
  const names = Object.keys(after.classes);
  const sum = (read: (counts: ClassCounts) => number) =>
    names.reduce((total, name) => total + grown(read, name), 0);
  const count = (kind: 'requests' | 'messages') =>
    Object.fromEntries(
      names
        .flatMap((name) =>
          Object.keys(after.classes[name]![kind] ?? {}).map((method): [string, number] => [
            `${name}.${method}`,
            grown((counts) => counts[kind]?.[method] ?? 0, name),
          ]),
        )
        .filter(([, counted]) => counted > 0),
    );
  const [called, messages] = [count('requests'), count('messages')];
  const requests = { ...called };
  for (const [name, counted] of Object.entries(messages)) {
    requests[name] = (requests[name] ?? 0) + counted;
  }
  const paths = Object.entries(after.paths)
    .map(([path, count]): [string, number] => [path, count - (before.paths[path] ?? 0)])
    .filter(([path]) => !path.includes('/admin/'));
  const uploads = paths.filter(([path]) => path.includes('/artifacts/'));
  const all = sumOf(called) - (called[OWN_LOOK] ?? 0) + sumOf(messages) / MESSAGES_PER_REQUEST;
  const alarmRows = sum(({ alarmsSet }) => alarmsSet);
  const schedulerMs = grown(({ activeMs }) => activeMs, 'Scheduler');
  const amounts: Record<PricedItem, number> = {
    rowsWritten: sum(({ rows }) => rows) + alarmRows,
    rowsRead: sum(({ rowsRead }) => rowsRead ?? 0),
    objectRequests: all,
    // The Scheduler's are a pool's, whatever its jobs; see the remarks.
    objectGbSeconds: ((sum(({ activeMs }) => activeMs) - schedulerMs) / 1000) * OBJECT_GB,
    workerRequests: sumOf(Object.fromEntries(paths)),
    workerCpuMs: 0,
    r2Writes: sumOf(Object.fromEntries(uploads)),
    r2Reads: 0,
  };
  return {
    bill: mapBill((item) => amounts[item]),
    lifeRequests: sumOf(requests) - ASIDE.reduce((total, name) => total + (requests[name] ?? 0), 0),
    requests,
    alarmRows,
  };
}

/** All counts together. */
export function sumOf(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}
