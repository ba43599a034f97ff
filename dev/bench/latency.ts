/**
 * From a submit to the moment an idle, warm agent has the job. In each round every system's agent
 * parks first, then they are sampled in turn, so that all meet the same machine; beside them the
 * bare round trip through the same Worker and socket to an object that does nothing, and to one
 * that writes a row. What Tessera does besides these (admission, hold, queue, grant) is the
 * difference.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { makePost, type Post, type Wire } from './http-contender.ts';
import { PEER_WIRE, startPeerService } from './http-peer.ts';
import { durabilityOf, startPeer, type PeerName, type PeerPlace } from './peer.ts';
import { REQUEST } from './contender.ts';
import type { Report } from './report.ts';
import { percentile, spread } from './sample.ts';
import { NO_REDIS, startPostgresServer, startRedisServer } from './servers.ts';
import { Stand } from './stand.ts';
import { tell } from './table.ts';
import { registerAgent, tesseraWire, TESSERA_DURABILITY } from './tessera.ts';

export interface LatencyOptions {
  readonly runs: number;
  /** Samples of one run. */
  readonly samples: number;
  readonly only: string;
}

/** One thing whose latency is sampled. */
interface Track {
  readonly system: string;
  readonly mode: 'bare' | 'http';
  readonly durability: string;
  /** Sampled in every such round; slow ones less often. */
  readonly every: number;
  /** Makes ready what must wait before the sample. */
  ready(): void;
  /** Milliseconds from the submit to the start. */
  sample(): Promise<number>;
  readonly runs: number[][];
}

/** Requests made ready have arrived by then. */
const SETTLE_MS = 15;
const WARM_UP_ROUNDS = 20;
const TARGET_RATIO = 2;
/** The shortest interval at which pg-boss lets a worker look for jobs. */
const PG_BOSS_LOOK_MS = 500;
const PG_BOSS_EVERY = 15;
const EMPTY = 'bare object, round trip';
const ROW = 'bare object, one row, round trip';
const OURS = 'tessera';

/** Samples everything; the table's unit is milliseconds. */
export async function measureLatency(options: LatencyOptions): Promise<Report> {
  const stops: (() => Promise<void>)[] = [];
  const remarks: string[] = [];
  try {
    const stand = await Stand.start();
    stops.push(() => stand.stop());
    const tracks = [
      ...(await openOurs(stand, stops)),
      ...(options.only === 'tessera' ? [] : await openPeers(stand.folder, { stops, remarks })),
    ];
    await runRounds(tracks, WARM_UP_ROUNDS, []);
    for (let run = 0; run < options.runs; run += 1) {
      for (const track of tracks) track.runs.push([]);
      await runRounds(tracks, options.samples, tracks);
    }
    return describe(tracks, remarks);
  } finally {
    for (const stop of stops.toReversed()) await stop();
  }
}

async function runRounds(
  tracks: readonly Track[],
  rounds: number,
  kept: readonly Track[],
): Promise<void> {
  for (let round = 0; round < rounds; round += 1) {
    const due = tracks.filter(({ every }) => round % every === 0);
    for (const track of due) track.ready();
    await sleep(SETTLE_MS);
    // Whoever comes first after the pause meets a colder machine: each does in turn.
    const turn = round % due.length;
    for (const track of [...due.slice(turn), ...due.slice(0, turn)]) {
      const ms = await track.sample();
      if (kept.includes(track)) track.runs.at(-1)!.push(ms);
    }
  }
}

async function openOurs(stand: Stand, stops: (() => Promise<void>)[]): Promise<Track[]> {
  const { post, track } = openHttp(stand.url, stops);
  const bare = (system: string, path: string, durability: string): Track => ({
    system,
    mode: 'http',
    durability,
    every: 1,
    ready: () => {},
    sample: async () => {
      const startedAt = performance.now();
      await post(path, REQUEST);
      return performance.now() - startedAt;
    },
    runs: [],
  });
  const key = await stand.createAccount('admin');
  const agent = await registerAgent(stand.url, await stand.issueAgent());
  return [
    bare(EMPTY, '/bench/empty', 'nothing to write'),
    bare(ROW, '/bench/row', TESSERA_DURABILITY),
    track({ system: OURS, durability: TESSERA_DURABILITY, every: 1 }, tesseraWire([key], [agent])),
  ];
}

/** Tracks of a service behind HTTP, with a connection for submits and one for its agent. */
function openHttp(url: string, stops: (() => Promise<void>)[]) {
  const open = () => new Pool(url, { connections: 2, headersTimeout: 0, bodyTimeout: 0 });
  const [submits, polls] = [open(), open()];
  stops.push(async () => {
    await Promise.all([submits.destroy(), polls.destroy()]);
  });
  const [post, park] = [makePost(submits), makePost(polls)];
  const track = <Lease>(
    about: Pick<Track, 'system' | 'durability' | 'every'>,
    wire: Wire<Lease>,
  ): Track => {
    let parked: Promise<Lease | null> | null = null;
    return {
      ...about,
      mode: 'http',
      ready: () => {
        parked ??= wire.acquire(park, 0);
        parked.catch(() => {}); // its sample is told
      },
      sample: () =>
        sampleHttp({ post, park, wire, take: () => parked, clear: () => (parked = null) }),
      runs: [],
    };
  };
  return { post, track };
}

async function sampleHttp<Lease>(one: {
  post: Post;
  park: Post;
  wire: Wire<Lease>;
  take: () => Promise<Lease | null> | null;
  clear: () => void;
}): Promise<number> {
  const { post, park, wire } = one;
  const startedAt = performance.now();
  const submitted = wire.submit(post, 1);
  let lease = await one.take();
  while (lease === null || lease === undefined) lease = await wire.acquire(park, 0);
  const ms = performance.now() - startedAt;
  await submitted;
  one.clear();
  await wire.complete(park, 0, lease);
  return ms;
}

async function openPeers(
  folder: string,
  { stops, remarks }: { stops: (() => Promise<void>)[]; remarks: string[] },
): Promise<Track[]> {
  const postgres = await startPostgresServer(folder);
  stops.push(() => postgres.stop());
  const redis = await startRedisServer(folder);
  if (redis === null) remarks.push(NO_REDIS);
  else stops.push(() => redis.stop());
  remarks.push(
    `pg-boss: its workers look for jobs every ${PG_BOSS_LOOK_MS} ms, the least it takes`,
  );
  const names: PeerName[] = ['graphile-worker', 'pg-boss', ...(redis ? (['bullmq'] as const) : [])];
  const tracks: Track[] = [];
  for (const name of names) {
    const place = (mode: string): PeerPlace => ({
      space: `latency_${mode}_${name.replace('-', '_')}`,
      redisPort: redis?.address ?? null,
      databaseUrl: postgres.address,
      lookMs: name === 'pg-boss' ? PG_BOSS_LOOK_MS : null,
    });
    const every = name === 'pg-boss' ? PG_BOSS_EVERY : 1;
    const about = { system: name, durability: durabilityOf(name), every };
    tracks.push(await openBare(place('bare'), { ...about, name, stops }));
    const service = await startPeerService(folder, { name, place: place('http') });
    stops.push(() => service.stop());
    tracks.push(openHttp(service.url, stops).track(about, PEER_WIRE));
  }
  return tracks;
}

async function openBare(
  place: PeerPlace,
  about: Pick<Track, 'system' | 'durability' | 'every'> & {
    name: PeerName;
    stops: (() => Promise<void>)[];
  },
): Promise<Track> {
  const { name, stops, ...track } = about;
  let started = () => {};
  let ended = () => {};
  const peer = await startPeer(name, place, {
    work: () => {
      started();
      return Promise.resolve();
    },
    ended: () => ended(),
  });
  stops.push(() => peer.stop());
  return {
    ...track,
    mode: 'bare',
    ready: () => {},
    sample: async () => {
      const end = new Promise<void>((resolve) => (ended = resolve));
      const startedAt = performance.now();
      let ms = 0;
      started = () => (ms = performance.now() - startedAt);
      await peer.add([REQUEST]);
      await end;
      return ms;
    },
    runs: [],
  };
}

function describe(tracks: readonly Track[], remarks: readonly string[]): Report {
  const found = tracks.map(({ system, mode, durability, runs }) => ({
    system,
    mode,
    durability,
    samples: runs.flat().length,
    p50: spread(runs.map((run) => percentile(run, 0.5))),
    p99: spread(runs.map((run) => percentile(run, 0.99))),
  }));
  const row = found.find(({ system }) => system === ROW)!;
  const ours = found.find(({ system }) => system === OURS)!;
  const ratio = ours.p99.median / row.p99.median;
  return {
    name: 'latency',
    about: 'milliseconds from submit to the start on an idle, warm agent',
    head: [
      ...['system', 'mode', 'durability', 'samples'],
      ...['p50', 'min', 'max', 'p99', 'min', 'max', 'p50 x row'],
    ],
    texts: 3,
    rows: found.map(({ system, mode, durability, samples, p50, p99 }) => [
      system,
      mode,
      durability,
      String(samples),
      ...[p50.median, p50.min, p50.max, p99.median, p99.min, p99.max].map(tell),
      (p50.median / row.p50.median).toFixed(2),
    ]),
    remarks,
    targets: [
      {
        claim: `p99 within ${TARGET_RATIO} times that of a bare object that writes a row`,
        measured: `${ratio.toFixed(2)} times`,
        met: ratio <= TARGET_RATIO,
      },
    ],
    figures: { systems: found, ratio_p99: ratio },
  };
}
