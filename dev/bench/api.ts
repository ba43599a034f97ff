/**
 * The public API under load, as its clients meet it. First a hundred of them submit over several
 * accounts, with repeats and broken connections, and every acknowledged job is proven to exist
 * once, to have ended once and to be paid for once. Then the status of jobs and pages of a long
 * history are timed. A claim that does not hold ends the process with 1; a missed target does not.
 */
import { AccountView } from '#schema/api.ts';
import { parseApiKey } from '#schema/id.ts';
import type { Finding } from '../soak-audit.ts';
import { examine, type Balance } from './api/book.ts';
import { Client } from './api/client.ts';
import { Crew } from './api/crew.ts';
import { CLIENTS, MODELS, submitAll, type Count, type Submits } from './api/crowd.ts';
import { fillHistory, submitLive, walkHistory, type Reader } from './api/history.ts';
import { makeLanes, runLane, type Lane } from './api/lane.ts';
import { readLedger } from './api/ledger.ts';
import { AGENTS } from './contender.ts';
import type { Report, Target } from './report.ts';
import { percentile, spread, type Spread } from './sample.ts';
import { Stand } from './stand.ts';
import { tell, tellSpread } from './table.ts';

export interface ApiOptions {
  readonly runs: number;
  /** Requests of one run of a lane. */
  readonly samples: number;
}

/** Accounts that the clients share. */
const ACCOUNTS = 20;
/** Submits of each client in a run. */
const SUBMITS = 20;
const HISTORY = 10_000;
/** Jobs of that account that nobody runs. */
const LIVE = 50;
/** Named of what broke a claim. */
const BROKEN_SHOWN = 5;
const MILLI = 1000;

const STATUS_P50_MS = 20;
const STATUS_P99_MS = 200;
const PAGE_P50_MS = 50;

/** The table's unit is milliseconds. */
export async function measureApi(options: ApiOptions): Promise<Report> {
  const stand = await Stand.start();
  const client = new Client(stand.url, CLIENTS);
  try {
    const crew = await Crew.start(stand, AGENTS, MODELS);
    const crowd = await submitAndProve(stand, { client, crew, runs: options.runs });
    const reader = { client, bearer: await stand.createAccount('admin') };
    const startedAt = performance.now();
    const ids = await fillHistory(reader, HISTORY);
    await stand.settle();
    const filledS = (performance.now() - startedAt) / 1000;
    await crew.stop();
    const { cursors, finding } = await walkHistory(reader, ids);
    const live = await submitLive(reader, LIVE);
    const lanes = makeLanes({ ids, live, cursors, samples: options.samples });
    await warmUp(reader, lanes);
    for (let run = 0; run < options.runs; run += 1) {
      for (const lane of lanes) await runLane(reader, lane);
    }
    return describe({ crowd, findings: [...crowd.findings, finding], lanes, filledS });
  } finally {
    await client.close();
    await stand.stop();
  }
}

interface Crowd {
  readonly runs: readonly Submits[];
  readonly findings: readonly Finding[];
  readonly jobs: number;
}

async function submitAndProve(
  stand: Stand,
  { client, crew, runs }: { client: Client; crew: Crew; runs: number },
): Promise<Crowd> {
  const keys: string[] = [];
  for (let n = 0; n < ACCOUNTS; n += 1) keys.push(await stand.createAccount('pro'));
  const done: Submits[] = [];
  for (let run = 0; run < runs; run += 1) {
    done.push(await submitAll(client, keys, { each: SUBMITS, run }));
    await stand.settle();
  }
  const accountIds = keys.map((key) => parseApiKey(key)!.accountId);
  const ledger = await readLedger(stand.databaseUrl, accountIds);
  const balances: Balance[] = [];
  for (const bearer of keys) {
    const { id, balance } = AccountView.parse(
      (await client.insist('/v1/account', { bearer })).body,
    );
    balances.push({
      accountId: id,
      spentMillitokens: Math.round(balance.spent * MILLI),
      heldMillitokens: Math.round(balance.held * MILLI),
      settledMillitokens: ledger.settledOn(id, balance.day),
    });
  }
  const findings = examine({
    told: done.flatMap(({ told }) => told),
    ends: crew.ends,
    jobs: ledger.jobs,
    entries: ledger.entries,
    balances,
    faults: done.flatMap(({ faults }) => faults),
  });
  return { runs: done, findings, jobs: ledger.jobs.length };
}

/** What lay idle meanwhile (objects, connections, Postgres' pages) is woken. */
async function warmUp(reader: Reader, lanes: readonly Lane[]): Promise<void> {
  for (const lane of lanes) await runLane(reader, { ...lane, samples: lane.clients, runs: [] });
}

interface Measured {
  readonly crowd: Crowd;
  readonly findings: readonly Finding[];
  readonly lanes: readonly Lane[];
  readonly filledS: number;
}

interface Found {
  readonly name: string;
  readonly clients: number;
  readonly perS: Spread;
  readonly p50: Spread;
  readonly p99: Spread;
}

function describe({ crowd, findings, lanes, filledS }: Measured): Report {
  const submits: Found = {
    name: 'POST /v1/jobs, sent once',
    clients: CLIENTS,
    perS: spread(crowd.runs.map(({ count, wallMs }) => (count.requests * 1000) / wallMs)),
    p50: spread(crowd.runs.map(({ ms }) => percentile(ms, 0.5))),
    p99: spread(crowd.runs.map(({ ms }) => percentile(ms, 0.99))),
  };
  const read = lanes.map((lane) => ({ lane, found: toFound(lane) }));
  const found = [submits, ...read.map((one) => one.found)];
  if (findings.some(({ broken }) => broken.length > 0)) process.exitCode = 1;
  return {
    name: 'api',
    about: 'milliseconds from the request to the whole answer',
    head: ['request', 'clients', 'a second', 'p50', 'min', 'max', 'p99', 'min', 'max'],
    texts: 1,
    rows: found.map(({ name, clients, perS, p50, p99 }) => [
      name,
      String(clients),
      tell(perS.median),
      ...tellSpread(p50),
      ...tellSpread(p99),
    ]),
    remarks: [
      tellCount(crowd),
      `history: ${HISTORY} jobs, submitted and run in ${tell(filledS)} s`,
      'without pause: all that this machine answers, clients, Worker and Postgres together on its ' +
        'cores; a client that waits for a job asks at a pace',
      '',
      ...findings.map(tellFinding),
    ],
    targets: read.flatMap(({ lane, found: one }) => judge(lane, one)),
    figures: {
      submitted: sumCounts(crowd.runs),
      jobs: crowd.jobs,
      history: { jobs: HISTORY, seconds: filledS },
      claims: findings.map(({ claim, checked, broken }) => ({
        claim,
        checked,
        broken: broken.length,
      })),
      requests: found,
    },
  };
}

function toFound({ name, clients, runs }: Lane): Found {
  return {
    name,
    clients,
    perS: spread(runs.map(({ perS }) => perS)),
    p50: spread(runs.map(({ p50 }) => p50)),
    p99: spread(runs.map(({ p99 }) => p99)),
  };
}

function judge({ name, kind, clients }: Lane, { p50, p99 }: Found): Target[] {
  const claim = `${name}, ${clients} clients`;
  const below = (share: string, ms: number, limit: number): Target => ({
    claim: `${claim}: ${share} under ${limit} ms`,
    measured: tell(ms),
    met: ms < limit,
  });
  if (kind === 'most') return [];
  return kind === 'status'
    ? [below('p50', p50.median, STATUS_P50_MS), below('p99', p99.median, STATUS_P99_MS)]
    : [below('p50', p50.median, PAGE_P50_MS)];
}

function sumCounts(runs: readonly Submits[]): Count {
  const total: Count = { requests: 0, cut: 0, repeats: 0, cancels: 0, refused: 0 };
  for (const { count } of runs) {
    for (const name of Object.keys(total) as (keyof Count)[]) total[name] += count[name];
  }
  return total;
}

function tellCount({ runs, jobs }: Crowd): string {
  const { requests, cut, repeats, cancels, refused } = sumCounts(runs);
  const keys = runs.reduce((sum, { told }) => sum + told.length, 0);
  return (
    `submitted: ${requests} requests of ${CLIENTS} clients with ${keys} idempotency keys over ` +
    `${ACCOUNTS} accounts, ${repeats} of them repeats, ${cut} cut off, ${refused} asked to wait; ` +
    `${jobs} jobs, ${cancels} cancelled`
  );
}

function tellFinding({ claim, checked, broken }: Finding): string {
  if (broken.length === 0) return `holds   ${claim} (${checked})`;
  const shown = broken.slice(0, BROKEN_SHOWN).join('\n          ');
  return `BROKEN  ${claim} (${broken.length} of ${checked})\n          ${shown}`;
}
