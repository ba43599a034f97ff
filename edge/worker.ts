/** The Worker's entry: the app, the cron, and the classes of its Durable Objects. */
import { app } from './app.ts';
import { parseEnv } from './env.ts';
import type { Bindings } from './env.ts';
import { sweep } from './services/sweep.ts';

export { Account } from './account/account.ts';
export { Conversation } from './conversation/conversation.ts';
export { BotCourier } from './courier/bot.ts';
export { Directory } from './directory/directory.ts';
export { Feed } from './feed/feed.ts';
export { Scheduler } from './scheduler/scheduler.ts';
export { WebhookCourier } from './courier/webhook.ts';

export default {
  fetch: app.fetch,
  async scheduled(controller, bindings): Promise<void> {
    await sweep(parseEnv(bindings), controller.scheduledTime);
  },
} satisfies ExportedHandler<Bindings>;
