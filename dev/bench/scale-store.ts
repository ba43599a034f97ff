/**
 * The same growth through the whole of it: the real Scheduler object with its SQLite, by the
 * requests of a user and of an agent. The queue is filled as Accounts hand jobs over; then each
 * round submits, acquires and completes one job. What is timed is the round trip.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { MODELS } from '#schema/model.ts';
import { CorePool } from './core-pool.ts';
import { REQUEST } from './contender.ts';
import { makePost } from './http-contender.ts';
import { Stand } from './stand.ts';
import { acquireJob, completeJob, registerAgent } from './tessera.ts';

/** Round trips of one size, in microseconds. */
export interface StoreFigures {
  readonly waiting: number;
  readonly rowUs: number[];
  readonly submitUs: number[];
  readonly acquireUs: number[];
  readonly completeUs: number[];
}

const ORDERS_A_CALL = 500;
const WARM_UP = 20;
const LOOK_MS = 200;

/** Times `samples` rounds at each size; sizes rise. */
export async function measureStore(
  sizes: readonly number[],
  samples: number,
): Promise<StoreFigures[]> {
  const stand = await Stand.start();
  const pool = new Pool(stand.url, { connections: 4, headersTimeout: 0, bodyTimeout: 0 });
  try {
    const post = makePost(pool);
    const key = await stand.createAccount('admin');
    const models = MODELS.map(({ id }) => id);
    const agent = await registerAgent(stand.url, await stand.issueAgent(), models);
    const orders = new CorePool();
    let waiting = 0;
    const found: StoreFigures[] = [];
    const round = async (into: StoreFigures | null) => {
      const time = async <T>(values: number[] | undefined, act: () => Promise<T>): Promise<T> => {
        const startedAt = performance.now();
        const result = await act();
        values?.push((performance.now() - startedAt) * 1000);
        return result;
      };
      await time(into?.rowUs, () => post('/bench/row', REQUEST));
      await time(into?.submitUs, () => post('/v1/jobs', REQUEST, key));
      const job = await time(into?.acquireUs, () => acquireJob(agent, 0));
      if (job === null) throw new Error('something waits for the agent');
      await time(into?.completeUs, () => completeJob(agent, { job, last: true }));
    };
    for (const size of sizes) {
      for (; waiting < size; waiting += ORDERS_A_CALL) {
        const count = Math.min(ORDERS_A_CALL, size - waiting);
        await stand.ask(
          '/bench/enqueue',
          Array.from({ length: count }, () => orders.makeOrder()),
        );
      }
      waiting = size;
      await waitUntilDelivered(stand);
      const figures = { waiting: size, rowUs: [], submitUs: [], acquireUs: [], completeUs: [] };
      for (let n = 0; n < WARM_UP + samples; n += 1) await round(n < WARM_UP ? null : figures);
      found.push(figures);
    }
    return found;
  } finally {
    await pool.destroy();
    await stand.stop();
  }
}

/** The history takes what was filled in; it must not be measured with the rest. */
async function waitUntilDelivered(stand: Stand): Promise<void> {
  while ((await stand.overview()).undelivered.postgres > 0) await sleep(LOOK_MS);
}
