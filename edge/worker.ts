/** The Worker's entry: the app, the cron, and the classes of its Durable Objects. */
import { app } from './app.ts';
import { parseEnv } from './env.ts';
import type { Bindings } from './env.ts';
import { sweep } from './services/sweep.ts';

export { Account } from './account/account.ts';
export { Feed } from './feed/feed.ts';
export { Scheduler } from './scheduler/scheduler.ts';

export default {
  fetch: app.fetch,
  async scheduled(controller, bindings): Promise<void> {
    await sweep(parseEnv(bindings), controller.scheduledTime);
  },
} satisfies ExportedHandler<Bindings>;
