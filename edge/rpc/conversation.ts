/** The Conversation object, one per chat such as `telegram:-100123`, as its callers see it over RPC. */
import type { Rule } from '../chat/answer/speech.ts';
import type { ChatEvent } from '../chat/event.ts';

/** `known`: it was taken before; `full`: too much waits already, and it is not taken. */
export type Accepted = 'taken' | 'known' | 'full';

export interface ConversationObject {
  /** Takes what was said and sees to it that it is answered, once. Durable when it resolves. */
  accept(event: ChatEvent): Promise<Accepted>;
  /** Its chat has another id from now on: the conversation of that name gets its rule. */
  moveTo(name: string): Promise<void>;
  /** Takes over the rule of the chat's former id; null for none. Once: what is set here stays. */
  inherit(rule: Rule | null, formerChatId: string): Promise<void>;
}
