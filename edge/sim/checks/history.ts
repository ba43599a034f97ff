/** Whether Postgres, when all has come to rest, tells what the pools decided, and its ledger sums. */
import { job, ledgerEntry } from '#schema/tables/index.ts';
import type { Database } from '../doubles/database.ts';
import type { World } from '../world.ts';
import type { Oracle } from './oracle.ts';

export function checkHistory(world: World, database: Database, oracle: Oracle): void {
  const rows = new Map(database.rows(job).map((row) => [row['id'], row]));
  const moved = new Map<string, number>();
  for (const row of database.rows(ledgerEntry)) {
    const name = `${String(row['jobId'])} ${String(row['kind'])}`;
    moved.set(name, Number(row['millitokens']));
  }
  for (const [id, { order, end }] of oracle.jobs) {
    const row = rows.get(id);
    const told = `${String(row?.['status'])} ${String(row?.['settledMillitokens'])}`;
    const done = `${String(end?.status)} ${String(end?.settledMillitokens)}`;
    if (told !== done) world.violate('the history tells how a job ended', `${id} ${told}, ${done}`);
    const [hold, settle, release] = ['hold', 'settle', 'release'].map((kind) =>
      moved.get(`${id} ${kind}`),
    );
    if (hold !== order.heldMillitokens || settle !== end?.settledMillitokens) {
      world.violate('the ledger has what was held and settled', `${id} ${hold} ${settle}`);
    }
    if (hold !== (settle ?? NaN) + (release ?? NaN)) {
      world.violate('a hold is settled and released', `${id} ${hold} = ${settle} + ${release}`);
    }
  }
}
