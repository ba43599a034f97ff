/**
 * Whether an account's figures agree with its open jobs, after each of its turns; and at the end,
 * that every hold was ended once and every millitoken is where the ledger says.
 */
import { PLANS } from '#schema/plan.ts';
import type { PlanId } from '#schema/plan.ts';
import type { Disk } from '../platform/disk.ts';
import type { World } from '../world.ts';
import type { JobTruth } from './oracle.ts';

interface Figures extends Record<string, SqlStorageValue> {
  plan: PlanId;
  day: string;
  spent: number;
  held: number;
}

/** Its row, or null when it was never made. */
export function readFigures(disk: Disk): Figures | null {
  const [there] = disk.exec("SELECT 1 FROM sqlite_master WHERE name = 'account'", []);
  if (!there) return null;
  return disk.exec('SELECT plan, day, spent, held FROM account', [])[0] as Figures;
}

export function checkAccount(world: World, name: string, disk: Disk): void {
  const figures = readFigures(disk);
  if (!figures) return;
  const { plan, day, spent, held } = figures;
  const [open] = disk.exec('SELECT coalesce(sum(held), 0) AS held FROM job WHERE day = ?', [day]);
  const detail = `${name}: ${JSON.stringify(figures)}, open ${JSON.stringify(open)}`;
  if (held !== open?.['held']) world.violate('what is held is held for open jobs', detail);
  if (spent < 0 || held < 0) world.violate('an account owes nothing', detail);
  if (spent + held > PLANS[plan].dailyMillitokens) {
    world.violate("held and spent are within the day's limit", detail);
  }
}

/** When all has come to rest: nothing is held, and what was settled is spent. */
export function checkRest(
  world: World,
  of: { readonly name: string; readonly disk: Disk; readonly jobs: Iterable<JobTruth> },
): void {
  const figures = readFigures(of.disk);
  if (!figures) return;
  const { day, spent, held } = figures;
  let settled = 0;
  for (const { order, end } of of.jobs) {
    if (order.accountId === of.name && order.day === day) settled += end?.settledMillitokens ?? 0;
  }
  const detail = `${of.name}: ${JSON.stringify(figures)}, settled ${settled}`;
  if (held !== 0) world.violate('every hold ends', detail);
  if (spent !== settled) world.violate('what was settled is spent, once', detail);
}
