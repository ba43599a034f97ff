/** The Conversation object, one per chat such as `telegram:-100123`, as its callers see it over RPC. */
import type { ChatEvent } from '../chat/event.ts';

/** `known`: it was taken before; `full`: too much waits already, and it is dropped. */
export type Accepted = 'taken' | 'known' | 'full';

export interface ConversationObject {
  /** Takes what was said and sees to it that it is answered, once. Durable when it resolves. */
  accept(event: ChatEvent): Promise<Accepted>;
}
