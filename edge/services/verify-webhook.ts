/** Whether a webhook call of Telegram carries the bot's own secret; in constant time. */
import { equalSecret } from '../io/token.ts';

/** `given` is the header `x-telegram-bot-api-secret-token`. */
export async function verifyWebhook(secret: string, given: string | undefined): Promise<boolean> {
  return given !== undefined && given.length <= 256 && (await equalSecret(given, secret));
}
