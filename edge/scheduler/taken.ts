/** What a pool tells an Account that went ahead of its disk and died; see edge/account/ahead.ts. */
import { RECORD_BATCH_BYTES_MAX } from '#schema/limits.ts';
import type { JobOrder } from '#schema/record.ts';
import type { QueueState } from '../core/state.ts';
import type { AheadQuestion, TakenAhead } from '../rpc/scheduler.ts';
import type { SchedulerStore } from './store.ts';

/** The account's jobs after an ordinal, as many as one answer carries. */
export function findTakenAhead(
  state: QueueState,
  store: SchedulerStore,
  { accountId, after }: AheadQuestion,
): TakenAhead {
  const orders: JobOrder[] = [];
  // All are looked at: this is for the restart of a busy account alone.
  for (const entry of state.jobs.values()) {
    if (entry.accountId !== accountId) continue;
    const order = store.order(entry);
    if (order.ahead && order.ahead.ordinal > after) orders.push(order);
  }
  orders.sort((a, b) => a.ahead!.ordinal - b.ahead!.ordinal);
  let bytes = 0;
  const over = orders.findIndex((order, index) => {
    bytes += JSON.stringify(order).length;
    // One at least goes, so that the next question is another.
    return index > 0 && bytes > RECORD_BATCH_BYTES_MAX;
  });
  return over === -1 ? { orders, isMore: false } : { orders: orders.slice(0, over), isMore: true };
}
