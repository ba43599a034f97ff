/** One kind of reading, measured again and again: what is asked, by how many, at which pace. */
import { setTimeout as sleep } from 'node:timers/promises';
import { percentile } from '../sample.ts';
import type { Reader } from './history.ts';

export interface Lane {
  readonly name: string;
  /** What it is held to; what a machine can do at most is held to nothing. */
  readonly kind: 'status' | 'page' | 'most';
  /** Paths, asked in turn. */
  readonly paths: readonly string[];
  readonly clients: number;
  /** How often each client asks, ms; null for as often as it is answered. */
  readonly everyMs: number | null;
  /** Requests of one run. */
  readonly samples: number;
  readonly runs: { readonly p50: number; readonly p99: number; readonly perS: number }[];
}

interface LaneOptions {
  /** Jobs that ended, oldest first, and those that did not. */
  readonly ids: readonly string[];
  readonly live: readonly string[];
  /** Where each page of the history ends. */
  readonly cursors: readonly string[];
  readonly samples: number;
}

/** Clients of a lane that asks in the company of few. */
const FEW = 4;
const MANY = 100;
/** How often a client that waits for its job asks for it. */
const PACE_MS = 1000;
/** Every so manieth job is asked for: no two runs of a cache's length. */
const STRIDE = 37;

/** Statuses of live and of old jobs; pages at both ends and in the middle, and by filters. */
export function makeLanes({ ids, live, cursors, samples }: LaneOptions): Lane[] {
  const toPath = (id: string) => `/v1/jobs/${id}`;
  const old = ids.map((_, place) => toPath(ids[(place * STRIDE) % ids.length]!));
  const current = live.map(toPath);
  const status = (name: string, paths: readonly string[]): Lane[] => [
    { name, kind: 'status', paths, clients: FEW, everyMs: null, samples, runs: [] },
    {
      ...{ name: `${name}, once a second each`, kind: 'status', paths, clients: MANY },
      ...{ everyMs: PACE_MS, samples: 2 * samples, runs: [] },
    },
    {
      ...{ name: `${name}, without pause`, kind: 'most', paths, clients: MANY },
      ...{ everyMs: null, samples: 4 * samples, runs: [] },
    },
  ];
  const page = (name: string, query: string, clients = FEW): Lane => ({
    ...{ name: `page, ${name}`, kind: 'page', paths: [`/v1/jobs?${query}`], clients },
    ...{ everyMs: null, samples, runs: [] },
  });
  const middle = cursors[Math.floor(cursors.length / 2)]!;
  const [before, after] = [timeOf(cursors.at(-2)!), timeOf(cursors.at(-3)!)];
  return [
    ...status('status of a live job', current),
    ...status('status of an old job', old),
    page('first', 'limit=20'),
    page('first of 100', 'limit=100'),
    page('middle', `limit=20&cursor=${middle}`),
    page('last', `limit=20&cursor=${cursors.at(-1)!}`),
    page('of a type', 'limit=20&type=text'),
    page('of a status that is rare', 'limit=20&status=cancelled'),
    page('of a status that is not there', 'limit=20&status=failed'),
    page('of an old minute', `limit=20&created_after=${before}&created_before=${after}`),
  ];
}

/** When the job of this id was made, as the API writes times. */
function timeOf(id: string): string {
  const digits = Array.from(id.slice(4, 14), (letter) => CROCKFORD.indexOf(letter));
  return new Date(digits.reduce((sum, digit) => sum * 32 + digit, 0)).toISOString();
}

/** Digits of a ULID (github.com/ulid/spec). */
const CROCKFORD = '0123456789abcdefghjkmnpqrstvwxyz';

/** Requests that the account may send at once before a run begins, beyond the run's own. */
const SPARE = 50;

/** One run of a lane; throws when anything is answered but what was asked for. */
export async function runLane(reader: Reader, lane: Lane): Promise<void> {
  await waitForRate(reader, lane.samples + SPARE);
  const ms: number[] = [];
  let sent = 0;
  const startedAt = performance.now();
  const ask = async (place: number) => {
    // Clients that ask at a pace do not ask all together.
    if (lane.everyMs !== null) await sleep((lane.everyMs * place) / lane.clients);
    while (sent < lane.samples) {
      const number = sent++;
      const begun = performance.now();
      const path = lane.paths[number % lane.paths.length]!;
      const answer = await reader.client.ask(path, { bearer: reader.bearer });
      const took = performance.now() - begun;
      if (answer.status !== 200) {
        throw new Error(`${path} answered ${answer.status} ${JSON.stringify(answer.body)}`);
      }
      ms.push(took);
      if (lane.everyMs !== null) await sleep(Math.max(0, lane.everyMs - took));
    }
  };
  await Promise.all(Array.from({ length: lane.clients }, (_, place) => ask(place)));
  const perS = (ms.length * 1000) / (performance.now() - startedAt);
  lane.runs.push({ p50: percentile(ms, 0.5), p99: percentile(ms, 0.99), perS });
}

/** Waits until the account may send so many requests at once. */
async function waitForRate({ client, bearer }: Reader, needed: number): Promise<void> {
  for (;;) {
    const { remaining } = await client.insist('/v1/account', { bearer });
    if (remaining === null || remaining >= needed) return;
    await sleep(1000);
  }
}
