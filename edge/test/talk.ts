/** A user who talks with a bot, for tests: the command layer with a conversation in memory. */
import type { JobType } from '#schema/model.ts';
import { answerEvent } from '../chat/answer.ts';
import type { Answer } from '../chat/answer.ts';
import type { Change, Kept, Memory, Press, Rule } from '../chat/answer/speech.ts';
import type { Attachment, Said } from '../chat/event.ts';
import type { Action, Button, JobDeed, Outbound, Span } from '../chat/message.ts';
import { chatEvent, nextId } from './chat.ts';
import type { HttpWorld } from './http.ts';

/** What a conversation remembers, in memory. */
class FakeMemory {
  rule: Rule = { off: false, offTypes: [] };
  lastJobId: string | null = null;
  readonly questions = new Map<string, Kept>();
  readonly presses = new Map<string, Press>();

  for(): Memory {
    const notes = new Map<string, unknown>();
    return {
      rule: this.rule,
      lastJobId: this.lastJobId,
      formerChatId: null,
      kept: (id) => this.questions.get(id) ?? null,
      pressed: (button) => this.presses.get(button) ?? null,
      runsChat: (ask) => ask(),
      once: async <T>(name: string, make: () => Promise<T>) => {
        if (!notes.has(name)) notes.set(name, await make());
        return notes.get(name) as T;
      },
    };
  }

  apply(changes: readonly Change[]): void {
    for (const change of changes) {
      switch (change.kind) {
        case 'rule':
          this.rule = change.rule;
          break;
        case 'last_job':
          this.lastJobId = change.jobId;
          break;
        case 'keep':
          this.questions.set(change.id, change.kept);
          break;
        case 'press':
          this.presses.set(change.button, change.press);
          break;
        case 'drop':
          this.questions.delete(change.id);
          break;
      }
    }
  }
}

export interface ChatOptions {
  readonly isPrivate?: boolean;
  readonly type?: JobType;
  /** Of one who talks with another bot already. */
  readonly userId?: string;
}

/** A user, the conversation, and what the bot said last. */
export class TestChat {
  readonly userId: string;
  readonly memory = new FakeMemory();
  readonly isPrivate: boolean;
  isAdmin: boolean | null = true;
  isAnonymous = false;
  /** Between two events: longer than a finger takes to tap twice. */
  stepMs = 10_000;
  last: Answer | null = null;
  readonly #world: HttpWorld;
  readonly #type: JobType;
  #at = Date.now();

  constructor(world: HttpWorld, { isPrivate = true, type = 'image', userId }: ChatOptions = {}) {
    this.#world = world;
    this.userId = userId ?? String(nextId() + 5_000_000);
    this.isPrivate = isPrivate;
    this.#type = type;
  }

  text(
    text: string,
    more: { attachments?: Attachment[]; answers?: string; aboutJobId?: string } = {},
  ) {
    const { attachments = [], answers = null, aboutJobId = null } = more;
    return this.hear({ kind: 'text', text, attachments, answers, aboutJobId });
  }

  press(action: Action, { messageId = '9', stands = true } = {}) {
    const of = { messageId, hasMedia: false, stands, callbackId: '1' };
    return this.hear({ kind: 'press', action, ...of });
  }

  job(deed: JobDeed, jobId: string) {
    return this.press({ kind: 'job', deed, jobId, index: 0 });
  }

  async hear(said: Said, event = chatEvent(said, this)): Promise<string> {
    const { env } = this.#world;
    const bot = { ...env.bots.get(event.botId)!, type: this.#type };
    const { isAdmin, isAnonymous } = this;
    const user = { ...event.user, isAdmin, isModerator: isAdmin, isAnonymous };
    this.#at += this.stepMs;
    const memory = this.memory.for();
    const given = { bot, event: { ...event, user, at: this.#at }, memory };
    const answer = await answerEvent(env, given, Date.now());
    this.memory.apply(answer.changes);
    this.last = answer;
    return answer.outbound.map(wordsOf).join('\n---\n');
  }

  /** Gives the courier what was said last, as the conversation does. */
  async bringOut(): Promise<void> {
    const { outbound, accountId } = this.last!;
    const courier = this.#world.env.botCouriers.getByName('hook-telegram');
    for (const one of outbound) await courier.send(one, accountId);
  }

  buttons(): Button[] {
    return this.last!.outbound.flatMap((one) =>
      one.kind === 'message' ? one.reply.buttons.flat() : [],
    );
  }

  labels(): string[] {
    return this.buttons().map(({ label }) => label);
  }

  choose(label: string) {
    const button = this.buttons().find((one) => one.label === label);
    if (!button || !('action' in button)) throw new Error(`no button ${label}`);
    return this.press(button.action);
  }
}

/** What a message says, or what is done instead. */
export function wordsOf(outbound: Outbound): string {
  if (outbound.kind === 'note') return `(${outbound.text ?? ''})`;
  if (outbound.kind === 'delete') return `delete ${outbound.messageId}`;
  return outbound.reply.text
    .map((span: Span) => (typeof span === 'string' ? span : span.text))
    .join('');
}
