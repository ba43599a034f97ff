/**
 * What a job costs at Cloudflare, counted from a real run: the real agent with its painter, jobs
 * by the HTTPS API, every object's rows and requests counted from outside (meter.mjs), until all
 * is delivered and the alarms behind have fired. Once with all jobs of one account and once with
 * an account each, since what an account's jobs share is then paid by every job; and an agent
 * that waits. Prices are list prices, without what the plan includes.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { AGENT_SEEN_WRITE_MS, DELIVERY_CHECK_MS } from '#schema/limits.ts';
import { call } from '../api.ts';
import { REQUEST } from './contender.ts';
import {
  divide,
  dollars,
  mapBill,
  MONTH_S,
  OBJECT_GB,
  PRICED_ITEMS,
  PRICED_ON,
  PRICES,
  type Bill,
  type PricedItem,
} from './price.ts';
import {
  MESSAGES_PER_REQUEST,
  OWN_LOOK,
  sumOf,
  toPhase,
  type Phase,
  type Reading,
} from './meter.ts';
import type { Report } from './report.ts';
import { Stand } from './stand.ts';
import { tell } from './table.ts';

const JOBS = 12;
const LOOK_MS = 100;
/** The alarms that look after a job's hand-over have fired by then. */
const SETTLE_MS = DELIVERY_CHECK_MS + 2000;
const ROWS_MAX = 10;
const REQUESTS_MAX = 6;

/** A waiting agent: how often it asks, and how much of the time its pool's object is active. */
interface Idle {
  readonly pollMs: number;
  readonly activeShare: number;
}

/** The table's unit is amounts a job, and a month of a waiting agent. */
export async function measureCost(): Promise<Report> {
  const stand = await Stand.start({
    metered: true,
    agent: () => ({ TESSERA_ENGINES: 'painter' }),
  });
  try {
    const one = await stand.createAccount('pro');
    const each: string[] = [];
    for (let n = 0; n < JOBS; n += 1) each.push(await stand.createAccount('pro'));
    await runJobs(stand, [one]); // the first job loads what stays loaded
    // Meanwhile the alarms of the new accounts fire, which are no job's.
    const [idle] = await Promise.all([watchIdle(stand), sleep(SETTLE_MS)]);
    const shared = await measure(stand, async () => {
      await runJobs(stand, Array<string>(JOBS).fill(one));
      await sleep(SETTLE_MS);
    });
    const own = await measure(stand, async () => {
      await runJobs(stand, each);
      await sleep(SETTLE_MS);
    });
    return describe(shared, own, idle);
  } finally {
    await stand.stop();
  }
}

/** From one poll of the waiting agent to its next. */
async function watchIdle(stand: Stand): Promise<Idle> {
  const look = async () => {
    const { classes } = (await stand.ask('/bench/meter')) as Reading;
    const { requests, messages, activeMs } = classes['Scheduler']!;
    const polls = (requests['acquire'] ?? 0) + (messages?.['acquire'] ?? 0);
    return { polls, activeMs, at: performance.now() };
  };
  const next = async (after: number) => {
    for (;;) {
      const seen = await look();
      if (seen.polls > after) return seen;
      await sleep(LOOK_MS);
    }
  };
  const first = await next((await look()).polls);
  const second = await next(first.polls);
  const pollMs = second.at - first.at;
  return { pollMs, activeShare: Math.min(1, (second.activeMs - first.activeMs) / pollMs) };
}

/** One job for each key, the next submitted when none waits: the agent is never without. */
async function runJobs(stand: Stand, keys: readonly string[]): Promise<void> {
  for (const bearer of keys) {
    await call(`${stand.url}/v1/jobs`, { method: 'POST', bearer, body: REQUEST });
    while (sumOf((await stand.overview()).waiting) > 0) await sleep(LOOK_MS);
  }
  await stand.settle();
}

async function measure(stand: Stand, act: () => Promise<unknown>): Promise<Phase> {
  const before = (await stand.ask('/bench/meter')) as Reading;
  await act();
  return toPhase(before, (await stand.ask('/bench/meter')) as Reading);
}

/** A month of an agent that waits: its polls, its signs of life on disk, its pool's object. */
function toMonth({ pollMs, activeShare }: Idle): Bill {
  const monthMs = MONTH_S * 1000;
  const amounts: Partial<Record<PricedItem, number>> = {
    rowsWritten: monthMs / AGENT_SEEN_WRITE_MS,
    // A poll and its end; the socket passes the Worker by.
    objectRequests: (2 * monthMs) / pollMs / MESSAGES_PER_REQUEST,
    objectGbSeconds: activeShare * MONTH_S * OBJECT_GB,
  };
  return mapBill((item) => amounts[item] ?? 0);
}

const TITLES: Readonly<Record<PricedItem, string>> = {
  rowsWritten: 'rows written',
  rowsRead: 'rows read',
  objectRequests: 'requests to objects',
  objectGbSeconds: 'GB-seconds of objects',
  workerRequests: 'requests to the Worker',
  workerCpuMs: 'CPU of the Worker, ms',
  r2Writes: 'R2 writes',
  r2Reads: 'R2 reads',
};

function describe(shared: Phase, own: Phase, idle: Idle): Report {
  const perShared = divide(shared.bill, JOBS);
  const perOwn = divide(own.bill, JOBS);
  const month = toMonth(idle);
  const life = (phase: Phase) => phase.lifeRequests / JOBS;
  const shown = PRICED_ITEMS.filter((item) => item !== 'workerCpuMs' && item !== 'r2Reads');
  const rowsMax = Math.max(perShared.rowsWritten, perOwn.rowsWritten);
  const requestsMax = Math.max(life(shared), life(own));
  return {
    name: 'cost',
    about: 'amounts a job of one account, a job of an account each, and a month of a waiting agent',
    head: ['amount', '$ a million', 'one account', 'account each', 'agent-month'],
    texts: 1,
    rows: [
      ...shown.map((item) => [
        TITLES[item],
        String(PRICES[item]),
        ...[perShared, perOwn, month].map((bill) => tell(bill[item])),
      ]),
      ['of the rows: alarms set', '', tell(shared.alarmRows / JOBS), tell(own.alarmRows / JOBS)],
      ['of the requests: without polls and progress', '', tell(life(shared)), tell(life(own))],
      ['$ a million jobs', '', tell(dollars(perShared) * 1e6), tell(dollars(perOwn) * 1e6)],
      ['$ a month', '', '', '', tell(dollars(month))],
    ],
    remarks: [
      `a waiting agent asks every ${tell(idle.pollMs / 1000)} s and keeps its pool's object ` +
        `active for ${tell(idle.activeShare * 100)} % of the time`,
      `list prices of ${PRICED_ON}, beyond what the paid plan includes`,
      `calls of objects, ${JOBS} jobs of one account: ${tellCounts(shared.requests)}`,
      `calls of objects, ${JOBS} jobs of an account each: ${tellCounts(own.requests)}`,
      "a job's GB-seconds are those of its Account and Feed; the Scheduler's are not seen whole: " +
        'between the messages of sockets it sleeps',
      `an agent's calls are messages, ${MESSAGES_PER_REQUEST} charged as one request`,
      "not counted: the Worker's CPU time, Postgres, and reads of results by users",
    ],
    targets: [
      {
        claim: `at most ${ROWS_MAX} rows written in a job's life`,
        measured: tell(rowsMax),
        met: rowsMax <= ROWS_MAX,
      },
      {
        claim: `at most ${REQUESTS_MAX} requests to objects, progress and parked polls aside`,
        measured: tell(requestsMax),
        met: requestsMax <= REQUESTS_MAX,
      },
    ],
    figures: { jobs: JOBS, priced_on: PRICED_ON, prices: PRICES, shared, own, idle, month },
  };
}

function tellCounts(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .filter(([name]) => name !== OWN_LOOK)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');
}
