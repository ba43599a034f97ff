/** Who runs a chat, as its platform said a moment ago: asked again soon, since it may change. */
import { CHAT_ADMIN_MS, CHAT_ADMINS_MAX } from '#schema/chat-limits.ts';

/** In memory alone. */
export class Admins {
  readonly #known = new Map<string, { readonly isAdmin: boolean; readonly until: number }>();

  /** What is known of the user, or what `ask` says; null, when it cannot say, is not believed. */
  async find(userId: string, ask: () => Promise<boolean | null>): Promise<boolean | null> {
    const known = this.#known.get(userId);
    if (known && Date.now() < known.until) return known.isAdmin;
    const isAdmin = await ask();
    if (isAdmin === null) return null;
    this.#known.delete(userId);
    this.#known.set(userId, { isAdmin, until: Date.now() + CHAT_ADMIN_MS });
    if (this.#known.size > CHAT_ADMINS_MAX) this.#known.delete(this.#known.keys().next().value!);
    return isAdmin;
  }
}
