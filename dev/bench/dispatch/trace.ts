/**
 * The jobs that a replay is of: read from a CSV file with the columns arrival_s, account, model
 * and service_s (others are ignored), or generated with the statistics of a public trace of a
 * Stable Diffusion service: bursts (the spread of the times between arrivals is about 12 times
 * their mean), few busy models, few busy accounts, long-tailed service.
 */
import { readFileSync } from 'node:fs';
import { Refusal } from '../../progress.ts';
import { Random } from './random.ts';

/** One job of a trace. Seconds. */
export interface TraceJob {
  readonly arrivalS: number;
  readonly account: string;
  readonly model: string;
  readonly serviceS: number;
}

/** A request that ended before its model was known counts as one of a model of its own. */
const UNNAMED = 'unnamed';

const COLUMNS = ['arrival_s', 'account', 'model', 'service_s'] as const;

/** Reads a trace; its arrivals must not fall. */
export function readTrace(file: string): TraceJob[] {
  const [head = '', ...lines] = readFileSync(file, 'utf8').trim().split(/\r?\n/);
  const names = head.split(',');
  const at = COLUMNS.map((name) => names.indexOf(name));
  if (at.includes(-1)) throw new Refusal(`${file}: wants the columns ${COLUMNS.join(', ')}`);
  let lastS = 0;
  return lines.map((line, index) => {
    const cells = line.split(',');
    const [arrival = '', account, model, service = ''] = at.map((column) => cells[column]);
    const job = { arrivalS: toSeconds(arrival), serviceS: toSeconds(service) };
    if (!account || !(job.arrivalS >= lastS) || !(job.serviceS >= 0)) {
      throw new Refusal(`${file}: line ${index + 2} is not a job, or came before the one above`);
    }
    lastS = job.arrivalS;
    return { ...job, account, model: model || UNNAMED };
  });
}

/** NaN for anything but a number. */
function toSeconds(cell: string): number {
  return cell.trim() === '' ? Number.NaN : Number(cell);
}

const MODELS = 78;
const ACCOUNTS = 2700;
const MEAN_BURST = 6;
/** Between two bursts by day. */
const BURST_EVERY_S = 170;
const DAY_S = 86_400;

/** Jobs over about 16 days, the same for the same seed. */
export function generateTrace(count: number, seed: number): TraceJob[] {
  const random = new Random(seed);
  const models = Array.from({ length: MODELS }, (_, index) => ({
    name: `m${index}`,
    weight: (index + 1) ** -1.5,
    medianS: 15 + 45 * random.next() ** 3,
  }));
  const jobs: TraceJob[] = [];
  let at = 0;
  while (jobs.length < count) {
    // Silent nights and a few crowded hours: the rate of bursts swings over three decades.
    const crowd = random.next() < 0.008 ? 60 : 1;
    const day = 0.012 + 0.988 * Math.max(0, Math.sin((2 * Math.PI * at) / DAY_S));
    for (let burst = 0; burst < crowd; burst += 1) {
      at += random.exponential(BURST_EVERY_S / (crowd * day));
      burstOf(random, models, { at, jobs });
    }
  }
  return jobs.toSorted((one, other) => one.arrivalS - other.arrivalS).slice(0, count);
}

/** An account asks for a few pictures in a row, and often changes the model. */
function burstOf(
  random: Random,
  models: readonly { name: string; weight: number; medianS: number }[],
  into: { at: number; jobs: TraceJob[] },
): void {
  const account = `a${Math.floor(ACCOUNTS * random.next() ** 1.6)}`;
  const size = 1 + Math.floor(random.exponential(MEAN_BURST - 1));
  let model = random.pick(models);
  let arrivalS = into.at;
  for (let index = 0; index < size; index += 1) {
    if (random.next() < 0.7) model = random.pick(models);
    const serviceS = Math.min(600, model.medianS * Math.exp(0.35 * random.normal()));
    into.jobs.push({ arrivalS, account, model: model.name, serviceS });
    arrivalS += random.exponential(25);
  }
}
