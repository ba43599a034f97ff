/**
 * Joined to the Worker's bundle while it is benchmarked, in the place of its last statement, its
 * exports: what a benchmark needs in the same isolate and behind the same socket. All before is
 * as it is deployed, and no request of users or agents takes another way than in production.
 *
 *   POST /bench/empty      calls an object that does nothing
 *   POST /bench/row        calls an object that writes one row, durable before the answer
 *   POST /bench/enqueue    puts orders into the queue of pool main, as an Account hands them over
 *   POST /bench/meter      what was counted since the start, where meter.mjs is joined too
 */
/* global BUNDLE -- what the bundle exports, by name; see stand.ts */
const TESSERA = BUNDLE.default;

/** A Feed that was never given a job does nothing; these calls are the bare minimum of any. */
class ProbedFeed extends BUNDLE.Feed {
  #rows = 0;

  benchEmpty() {
    return null;
  }

  benchRow() {
    const { sql } = this.ctx.storage;
    if (this.#rows === 0) sql.exec('CREATE TABLE IF NOT EXISTS bench (id INTEGER, value TEXT)');
    this.#rows += 1;
    sql.exec('INSERT INTO bench VALUES (?, ?)', this.#rows, 'x'.repeat(500));
    return this.#rows;
  }
}

async function answerBench(request, path, env) {
  if (path === '/bench/meter') return Response.json(BUNDLE.meter());
  const object = env.FEED.getByName('bench');
  if (path === '/bench/empty') return Response.json({ value: await object.benchEmpty() });
  if (path === '/bench/row') return Response.json({ value: await object.benchRow() });
  if (path === '/bench/enqueue') {
    const options = { accepted: true, cancelled: false };
    const taken = await env.SCHEDULER.getByName('main').enqueueAll(await request.text(), options);
    return Response.json({ value: JSON.parse(taken).filter(({ ok }) => ok).length });
  }
  return new Response('unknown', { status: 404 });
}

const ENTRY = {
  fetch(request, env, context) {
    const { pathname } = new URL(request.url);
    if (pathname.startsWith('/bench/')) return answerBench(request, pathname, env);
    BUNDLE.meterPath?.(request.method, pathname);
    return TESSERA.fetch(request, env, context);
  },
  scheduled: TESSERA.scheduled,
};

const { Account: PlainAccount, Scheduler: PlainScheduler } = BUNDLE;
export { PlainAccount as Account, PlainScheduler as Scheduler, ProbedFeed as Feed };
const { BotCourier: PlainBots, Conversation: PlainChats } = BUNDLE;
const { Directory: PlainDirectory, WebhookCourier: PlainWebhooks } = BUNDLE;
export { PlainBots as BotCourier, PlainChats as Conversation };
export { PlainDirectory as Directory, PlainWebhooks as WebhookCourier };
// oxlint-disable-next-line import/no-default-export -- workerd takes the entry by this name
export default ENTRY;
