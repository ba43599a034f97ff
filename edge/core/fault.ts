/**
 * Why a chat platform did not do what a bot asked, as both platforms have it. The adapters make
 * these of status codes and error texts; nobody else reads those.
 */

/** See each arm. `uncertain` faults may have come after the platform did what was asked. */
export type ChatFault =
  /** Too many calls; `wide`: of the whole bot, not of one chat. */
  | { readonly reason: 'rate_limited'; readonly retryAfterMs: number; readonly wide: boolean }
  /** No answer, or one that says nothing: the call may have worked. */
  | { readonly reason: 'unanswered'; readonly message: string }
  /** The platform says that it failed. */
  | { readonly reason: 'platform_failed'; readonly message: string }
  /** The bot's token opens nothing. */
  | { readonly reason: 'token_refused' }
  /** The user blocked the bot, left, or takes no messages from it; the bot was removed. */
  | { readonly reason: 'blocked' }
  | { readonly reason: 'chat_missing' }
  /** A Telegram group became a supergroup with another id. */
  | { readonly reason: 'chat_moved'; readonly chatId: string }
  /** A Discord interaction that has ended, or that Discord does not know yet. */
  | { readonly reason: 'interaction_missing' }
  | { readonly reason: 'message_missing' }
  | { readonly reason: 'thread_missing' }
  /** It shows this already. */
  | { readonly reason: 'unchanged' }
  /** A file that the platform does not take in this form. */
  | { readonly reason: 'media_refused'; readonly message: string }
  | { readonly reason: 'too_large' }
  /** Our own result is not in storage any more. */
  | { readonly reason: 'media_missing' }
  /** Anything else that repeating does not change. */
  | { readonly reason: 'refused'; readonly status: number; readonly message: string };

/** What to do with a message after a fault that no other form of the message cures. */
export type FaultVerdict =
  /** Try again; `wait` of all calls when the platform as a whole is away. */
  | 'retry_message'
  | 'retry_all'
  /** Nobody is there to see it: end without a word. */
  | 'end'
  /** Give up and keep a record. */
  | 'give_up';

/** The one place that says which faults are worth a repeat. */
export function judgeFault(fault: ChatFault): FaultVerdict {
  switch (fault.reason) {
    case 'rate_limited':
    case 'chat_moved':
    case 'thread_missing':
    case 'interaction_missing':
      return 'retry_message';
    case 'unanswered':
    case 'platform_failed':
    case 'token_refused':
      return 'retry_all';
    case 'blocked':
    case 'chat_missing':
    case 'message_missing':
    case 'unchanged':
      return 'end';
    case 'media_refused':
    case 'too_large':
    case 'media_missing':
    case 'refused':
      return 'give_up';
  }
}
