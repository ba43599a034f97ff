/**
 * Durable jobs per second, from submit to acknowledged end, beside the queues one would use
 * instead. The runs of all contenders are interleaved, so that other work on the machine hits
 * them alike; each is also run bare and behind HTTP, since Tessera's clients and agents come by
 * HTTP always.
 */
import { startBare } from './bare-contender.ts';
import { AGENTS, type Contender } from './contender.ts';
import { startHttpPeer } from './http-peer.ts';
import type { PeerName, PeerPlace } from './peer.ts';
import { race } from './race.ts';
import type { Report, Target } from './report.ts';
import { spread, type Spread } from './sample.ts';
import { NO_REDIS, startPostgresServer, startRedisServer } from './servers.ts';
import { Stand } from './stand.ts';
import { tell, tellSpread } from './table.ts';
import { startTessera } from './tessera.ts';

export interface ThroughputOptions {
  readonly runs: number;
  readonly seconds: number;
  /** Only systems whose names contain this. */
  readonly only: string;
}

const SINGLE = { batch: 1, submitters: 16, window: 256 };
const BATCH = { batch: 50, submitters: 4, window: 512 };
/** Before each run, not counted: what lay idle meanwhile (objects, connections) is woken. */
const LEAD_IN_S = 0.7;
const OURS = 'tessera';
/** The peer that is to be outdone even without HTTP in its way. */
const BARE = 'graphile-worker';
const PEERS: readonly PeerName[] = [
  'graphile-worker',
  'graphile-worker, tuned',
  'pg-boss',
  'bullmq',
];

interface Lane {
  readonly contender: Contender;
  readonly submit: 'single' | 'batch50';
  readonly rates: number[];
}

/** Races everything; the table's unit is jobs per second. */
export async function measureThroughput(options: ThroughputOptions): Promise<Report> {
  const stops: (() => Promise<void>)[] = [];
  const remarks: string[] = [];
  try {
    const stand = await Stand.start();
    stops.push(() => stand.stop());
    const contenders = [
      ...(await startOurs(stand, options, { stops, remarks })),
      ...(await startPeers(stand.folder, options, { stops, remarks })),
    ];
    const lanes = contenders.flatMap(({ contender, batches }): Lane[] => [
      { contender, submit: 'single', rates: [] },
      ...(batches ? [{ contender, submit: 'batch50' as const, rates: [] }] : []),
    ]);
    for (let run = 0; run < options.runs; run += 1) {
      for (const { contender, submit, rates } of lanes) {
        const load = submit === 'single' ? SINGLE : BATCH;
        await race(contender, { ...load, seconds: LEAD_IN_S });
        await contender.settle();
        rates.push(await race(contender, { ...load, seconds: options.seconds }));
        await contender.settle();
      }
    }
    return describe(lanes, remarks);
  } finally {
    for (const stop of stops.toReversed()) await stop();
  }
}

interface Field {
  readonly stops: (() => Promise<void>)[];
  readonly remarks: string[];
}
type Entrant = { contender: Contender; batches: boolean };

async function startOurs(
  stand: Stand,
  { only }: ThroughputOptions,
  { stops, remarks }: Field,
): Promise<Entrant[]> {
  const { contenders, batches } = await startTessera(stand);
  for (const contender of contenders) stops.push(() => contender.stop());
  if (!batches) remarks.push('tessera: no batches, since this build has no POST /v1/jobs/batch');
  return contenders
    .filter(({ system }) => system.includes(only))
    .map((contender) => ({ contender, batches }));
}

async function startPeers(
  folder: string,
  { only }: ThroughputOptions,
  { stops, remarks }: Field,
): Promise<Entrant[]> {
  const wanted = PEERS.filter((name) => name.includes(only));
  if (wanted.length === 0) return [];
  const postgres = await startPostgresServer(folder);
  stops.push(() => postgres.stop());
  const redis = await startRedisServer(folder);
  if (redis !== null) stops.push(() => redis.stop());
  const entrants: Entrant[] = [];
  if (redis === null) remarks.push(NO_REDIS);
  for (const [index, name] of wanted.entries()) {
    if (name === 'bullmq' && redis === null) continue;
    const place = (mode: string): PeerPlace => ({
      space: `bench_${mode}_${index}`,
      redisPort: redis?.address ?? null,
      databaseUrl: postgres.address,
      lookMs: null,
    });
    const bare = await startBare(name, place('bare'));
    stops.push(() => bare.stop());
    const http = await startHttpPeer(folder, { name, place: place('http') });
    stops.push(() => http.stop());
    entrants.push({ contender: bare, batches: true }, { contender: http, batches: true });
  }
  return entrants;
}

/** One lane's figures. */
interface Found {
  readonly system: string;
  readonly mode: 'bare' | 'http';
  readonly submit: 'single' | 'batch50';
  readonly rate: Spread;
  readonly durability: string;
}

/** Whether Tessera's median is above those of these peers. */
function compare(
  found: readonly Found[],
  submit: Found['submit'],
  isMeant: (peer: Found) => boolean,
): Target[] {
  const lanes = found.filter((lane) => lane.submit === submit);
  const ours = lanes.find(({ system }) => system === OURS);
  if (ours === undefined) return [];
  return lanes
    .filter((lane) => !lane.system.startsWith(OURS) && isMeant(lane))
    .map(({ system, mode, rate }) => ({
      claim: `${submit}: more jobs a second than ${system}, ${mode}`,
      measured: `${tell(ours.rate.median)} to ${tell(rate.median)}`,
      met: ours.rate.median > rate.median,
    }));
}

function tellLoad({ submitters, window }: { submitters: number; window: number }): string {
  return `${submitters} submits at once, at most ${window} jobs not ended`;
}

function describe(lanes: readonly Lane[], remarks: readonly string[]): Report {
  const found = lanes.map(({ contender, submit, rates }): Found => {
    const { system, mode, durability } = contender;
    return { system, mode, submit, rate: spread(rates), durability };
  });
  const ratioTo = (rate: Spread, submit: string) => {
    const ours = found.find((lane) => lane.system === OURS && lane.submit === submit);
    return ours === undefined ? '' : (rate.median / ours.rate.median).toFixed(2);
  };
  return {
    name: 'throughput',
    about: `durable jobs per second from submit to acknowledged end, ${AGENTS} agents`,
    head: ['system', 'mode', 'submit', 'durability', 'median', 'min', 'max', 'x tessera'],
    texts: 4,
    rows: found.map(({ system, mode, submit, rate, durability }) => [
      system,
      mode,
      submit,
      durability,
      ...tellSpread(rate),
      ratioTo(rate, submit),
    ]),
    remarks: [
      `single: ${tellLoad(SINGLE)}; batch50: ${tellLoad(BATCH)}; each run submits for ` +
        'its time, then waits until all has ended',
      'x tessera: the median beside that of tessera with the same submits',
      ...remarks,
    ],
    targets: [
      ...compare(found, 'single', ({ mode }) => mode === 'http'),
      ...compare(found, 'single', ({ mode, system }) => mode === 'bare' && system === BARE),
      ...compare(found, 'batch50', ({ mode }) => mode === 'http'),
    ],
    figures: {
      agents: AGENTS,
      runs: found.map(({ system, mode, submit, rate, durability }) => ({
        system,
        mode,
        submit,
        jobs_per_s_median: rate.median,
        min: rate.min,
        max: rate.max,
        durability,
      })),
    },
  };
}
