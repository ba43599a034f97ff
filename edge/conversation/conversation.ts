/**
 * The Conversation object, one per chat: what is said there is durable before the platform is
 * answered, each event is taken once, and each member is answered in order, several members at a
 * time. Nobody waits here for a job: the bot's courier brings its news.
 *
 * An event stays in the inbox until all that it asks for is done and its messages are with the
 * courier; after a fault or a death of the object it is answered again from the start, and every
 * effect knows by its key whether it has happened. Until then nothing later of its user is taken:
 * a cancel never overtakes its request. After INBOX_TRIES_MAX tries its user is told that it did
 * not work. Sets no timer, only an alarm.
 */
import { DurableObject } from 'cloudflare:workers';
import { DELIVERY_CHECK_MS } from '#schema/limits.ts';
import { INBOX_LANES, INBOX_TRIES_MAX } from '#schema/chat-limits.ts';
import { answerEvent } from '../chat/answer.ts';
import type { Memory, Rule } from '../chat/answer/speech.ts';
import type { ChatEvent } from '../chat/event.ts';
import { WORDS } from '../chat/reply/words.ts';
import { sayReply } from '../chat/reply.ts';
import { backoffMs } from '../core/retry.ts';
import { parseEnv } from '../env.ts';
import type { Bindings } from '../env.ts';
import { logError, logInfo } from '../io/log.ts';
import type { Accepted, ConversationObject } from '../rpc/conversation.ts';
import { Admins } from './admin.ts';
import { ConversationStore } from './store.ts';
import type { Waiting } from './store.ts';

/** One chat; see above. */
export class Conversation extends DurableObject<Bindings> implements ConversationObject {
  readonly #env;
  readonly #store: ConversationStore;
  /** Users who are being answered. */
  readonly #busy = new Set<string>();
  readonly #admins = new Admins();

  constructor(ctx: DurableObjectState, bindings: Bindings) {
    super(ctx, bindings);
    this.#env = parseEnv(bindings);
    this.#store = new ConversationStore(ctx.storage);
  }

  async accept(event: ChatEvent): Promise<Accepted> {
    const now = Date.now();
    const accepted = this.#store.accept(event, now);
    // A repeat wakes what waits, too: the object may have died before its alarm was set.
    if (this.#store.nextAt(now) === null) return accepted;
    await this.#wakeBy(now + DELIVERY_CHECK_MS);
    void this.#answerDue();
    return accepted;
  }

  async moveTo(name: string): Promise<void> {
    const own = this.ctx.id.name ?? '';
    const formerChatId = own.slice(own.indexOf(':') + 1);
    await this.#env.conversations.getByName(name).inherit(this.#store.ownRule, formerChatId);
  }

  async inherit(rule: Rule | null, formerChatId: string): Promise<void> {
    this.#store.inherit(rule, formerChatId);
  }

  override async alarm(): Promise<void> {
    await this.#answerDue();
    await this.#setAlarm();
  }

  /** Answers all that is due; never rejects. */
  async #answerDue(): Promise<void> {
    const lanes: Promise<void>[] = [];
    while (this.#busy.size < INBOX_LANES) {
      const next = this.#store.nextDue(this.#busy, Date.now());
      if (!next) break;
      this.#busy.add(next.event.user.id);
      lanes.push(this.#answerOne(next));
    }
    await Promise.all(lanes);
  }

  async #answerOne(waiting: Waiting): Promise<void> {
    const { event } = waiting;
    try {
      await this.#answer(waiting);
    } catch (error) {
      await this.#onFailure(waiting, error);
    } finally {
      this.#busy.delete(event.user.id);
    }
    await this.#answerDue();
  }

  async #answer({ event, notes }: Waiting): Promise<void> {
    const bot = this.#env.bots.get(event.botId);
    if (!bot) {
      // It was taken out of the configuration: nobody is left to speak.
      this.#store.finish(event.id, [], Date.now());
      return;
    }
    const memory = this.#memoryFor(event, notes);
    const started = Date.now();
    const answer = await answerEvent(this.#env, { bot, event, memory }, started);
    const courier = this.#env.botCouriers.getByName(event.botId);
    for (const outbound of answer.outbound) await courier.send(outbound, answer.accountId);
    this.#store.finish(event.id, answer.changes, Date.now());
    logInfo('chat.answer', {
      event_id: event.id,
      bot_id: event.botId,
      said: event.said.kind,
      account_id: answer.accountId,
      sent: answer.outbound.length,
      waited_ms: started - event.at,
      took_ms: Date.now() - started,
    });
  }

  #memoryFor(event: ChatEvent, notes: Record<string, unknown>): Memory {
    const store = this.#store;
    return {
      rule: store.rule,
      lastJobId: store.lastJobOf(event.user.id),
      formerChatId: store.formerChatId,
      kept: (id) => store.kept(id, Date.now()),
      pressed: (button) => store.pressed(button),
      runsChat: (ask) => this.#admins.find(event.user.id, ask),
      once: async <T>(name: string, make: () => Promise<T>): Promise<T> => {
        if (Object.hasOwn(notes, name)) return notes[name] as T;
        const made = await make();
        notes[name] = made;
        store.note(event.id, notes);
        return made;
      },
    };
  }

  async #onFailure({ event, tries }: Waiting, error: unknown): Promise<void> {
    logError('chat.answer', error, { event_id: event.id, bot_id: event.botId, tries });
    const now = Date.now();
    if (tries + 1 < INBOX_TRIES_MAX) {
      this.#store.postpone(event.id, now + backoffMs(tries + 1, Math.random()));
      await this.#setAlarm();
      return;
    }
    try {
      const { chat } = event;
      const reply = sayReply(WORDS.broken);
      const key = `${event.id}/broken`;
      const courier = this.#env.botCouriers.getByName(event.botId);
      await courier.send({ kind: 'message', key, chat, reply, jobId: null }, null);
    } catch (unsent) {
      logError('chat.give_up', unsent, { event_id: event.id });
    }
    this.#store.finish(event.id, [], now);
  }

  /** For the next that is due; what is being answered is looked after a while later. */
  async #setAlarm(): Promise<void> {
    const at = this.#store.nextAt(Date.now());
    if (at !== null) await this.ctx.storage.setAlarm(at);
  }

  async #wakeBy(at: number): Promise<void> {
    const set = await this.ctx.storage.getAlarm();
    if (set === null || set > at) await this.ctx.storage.setAlarm(at);
  }
}
