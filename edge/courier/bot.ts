/**
 * The BotCourier object, one per bot: brings out what the bot has to say, at a pace that its
 * platform allows. News replaces what a message is to show (see bot/slot.ts) and is durable when
 * it is taken; calls are then made one at a time in a chat, up to BOT_CALLS_MAX in all, and a
 * slot that was not brought out is found again after any death of the object.
 *
 * Sets no timer, only an alarm: for the time that a limit, a pause after a fault, or a question
 * for a job's place in the queue is over. Near its limits progress stops first (core/pace.ts).
 */
import { DurableObject } from 'cloudflare:workers';
import type { Progress } from '#schema/api.ts';
import type { BotHealth } from '#schema/bot.ts';
import type { Bot } from '#schema/chat.ts';
import type { Preview } from '#schema/event.ts';
import { poolOfJob } from '#schema/id.ts';
import { isTerminal } from '#schema/job.ts';
import {
  BOT_BUSY_MS,
  BOT_CALLS_MAX,
  BOT_CHAT_PENDING_MAX,
  BOT_CHECK_MS,
  BOT_PENDING_MAX,
  BOT_PROGRESS_MS,
  DELIVERIES_MAX,
} from '#schema/limits.ts';
import type { PlanId } from '#schema/plan.ts';
import type { JobRecord } from '#schema/record.ts';
import type { Outbound } from '../chat/message.ts';
import {
  closedUntil,
  closeGate,
  countMore,
  fillGate,
  leaveGates,
  loadOf,
  opensAt,
  passGates,
} from '../core/pace.ts';
import type { Pace } from '../core/pace.ts';
import { backoffMs } from '../core/retry.ts';
import {
  countAnswers,
  countWaiting,
  dropTurn,
  emptyTurns,
  oldestSince,
  putTurn,
  takeTurn,
} from '../core/turn.ts';
import type { Rank, Turn } from '../core/turn.ts';
import { parseEnv } from '../env.ts';
import type { Bindings } from '../env.ts';
import { inLanes } from '../io/lane.ts';
import { logError, logInfo, logWarn } from '../io/log.ts';
import type { BotCourierObject, BotFigures, BotMeeting } from '../rpc/courier.ts';
import { planNews } from './bot/plan.ts';
import { AWAY, chatOf, gatesOf, WHOLE_BOT } from './bot/gates.ts';
import { directly, takeOutbound, takeRecord } from './bot/intake.ts';
import { LiveViews } from './bot/live.ts';
import { Meter } from './bot/meter.ts';
import { sendNote } from './bot/note.ts';
import { describeFault, settleStep } from './bot/outcome.ts';
import type { Next } from './bot/outcome.ts';
import { Sisters } from './bot/sister.ts';
import { isLast, jobSlot, rankOf } from './bot/slot.ts';
import type { Slot } from './bot/slot.ts';
import { faulty, makeStep } from './bot/step.ts';
import type { Taken } from './bot/step.ts';
import { BotStore } from './bot/store.ts';

/** Calls in a row without an answer before all others wait too. */
const STREAK_AWAY = 3;
/** Two chats that are refused within this time mean the whole bot. */
const LIMITED_TOGETHER_MS = 1000;
/** What is ended is looked through this often, at least. */
const SWEEP_MS = 60 * 60_000;

const MINUTE_MS = 60_000;

/** One bot's courier; see above. */
export class BotCourier extends DurableObject<Bindings> implements BotCourierObject {
  readonly #env;
  /** Null when the bot is not configured any more: it then says nothing. */
  readonly #bot: Bot | null;
  readonly #store: BotStore;
  readonly #turns = emptyTurns();
  readonly #pace: Pace = new Map();
  readonly #views = new LiveViews();
  readonly #meter = new Meter();
  readonly #sisters: Sisters;
  /** Chats with a call under way. */
  readonly #busy = new Set<string>();
  #limitedChat = { chat: '', at: 0 };
  /** When the last was written before the start: no call was made after it. */
  readonly #lastChange: number;
  #alarmAt: number | null = null;
  #sweepAt: number | null = null;

  constructor(ctx: DurableObjectState, bindings: Bindings) {
    super(ctx, bindings);
    this.#env = parseEnv(bindings);
    this.#bot = this.#env.bots.get(ctx.id.name ?? '') ?? null;
    this.#store = new BotStore(ctx.storage);
    this.#lastChange = this.#store.lastChange();
    this.#sisters = new Sisters(this.#env, this.#bot);
    void ctx.blockConcurrencyWhile(async () => {
      this.#alarmAt = await ctx.storage.getAlarm();
      this.#resume(Date.now());
    });
  }

  async publish(records: readonly JobRecord[]): Promise<void> {
    const now = Date.now();
    const changed: Slot[] = [];
    this.#checkRoom();
    this.ctx.storage.transactionSync(() => {
      for (const record of records) {
        const slot = this.#bot && takeRecord(this.#store, { botId: this.#bot.id, record, now });
        if (!slot) continue;
        this.#store.put(slot, now);
        this.#store.meet(record.accountId, slot.chat, now);
        changed.push(slot);
      }
    });
    for (const slot of changed) this.#line(slot, now);
    this.#pump();
  }

  async progress(jobId: string, progress: Progress, preview: Preview | null): Promise<void> {
    const slot = this.#store.find(jobSlot(jobId));
    if (!slot || isLast(slot) || slot.endedAt !== null) return;
    if (this.#turns.bySlot.size >= BOT_PENDING_MAX) return;
    this.#views.setProgress(slot.key, progress, preview);
    this.#line(slot, Date.now());
    this.#pump();
  }

  async send(outbound: Outbound, accountId: string | null): Promise<void> {
    const bot = this.#bot;
    if (!bot) return;
    const now = Date.now();
    if (outbound.kind === 'note') {
      this.ctx.waitUntil(sendNote(this.#env, bot, outbound));
      return;
    }
    this.#checkRoom();
    const slot = this.ctx.storage.transactionSync(() => {
      const taken = takeOutbound(this.#store, outbound, { accountId, now });
      if (taken && countAnswers(this.#turns, chatOf(taken)) >= BOT_CHAT_PENDING_MAX) {
        throw new Error(`bot ${bot.id}: too many answers wait in one chat`);
      }
      if (taken) this.#store.put(taken, now);
      if (accountId !== null) this.#store.meet(accountId, outbound.chat, now);
      return taken;
    });
    if (slot) this.#line(slot, now);
    this.#pump();
  }

  async announce(accountId: string, plan: PlanId, key: string): Promise<boolean> {
    const meeting = this.#store.meeting(accountId);
    if (!meeting || !this.#bot) return false;
    const chat = directly(meeting.chat);
    const reply = planNews(plan);
    await this.send({ kind: 'message', key, chat, reply, jobId: null }, null);
    return true;
  }

  async meeting(accountId: string): Promise<BotMeeting | null> {
    return this.#store.meeting(accountId);
  }

  async health(): Promise<BotHealth> {
    const now = Date.now();
    const whole = this.#bot && WHOLE_BOT[this.#bot.platform];
    return this.#meter.health({
      now,
      burstUsed: whole ? loadOf(this.#pace, whole, now) : 0,
      callsPerMinute: whole ? MINUTE_MS / whole.limit.emissionIntervalMs : 1,
      waiting: this.#turns.bySlot.size + this.#busy.size,
      oldestSince: oldestSince(this.#turns, 'answer'),
      limitedUntil: closedUntil(this.#pace, AWAY.name, now),
      failures: this.#store.failures(),
    });
  }

  async figures(): Promise<BotFigures> {
    const waiting = countWaiting(this.#turns);
    return { health: await this.health(), waiting, ...this.#meter.figures() };
  }

  async isShown(jobId: string): Promise<boolean> {
    const slot = this.#store.find(jobSlot(jobId));
    return slot === null || slot.shown > 0 || slot.endedAt !== null;
  }

  async ownerOf(jobId: string, chatIds: readonly string[]): Promise<string | null> {
    const slot = this.#store.find(jobSlot(jobId));
    return slot && chatIds.includes(slot.chat.chatId) ? slot.accountId : null;
  }

  override async alarm(): Promise<void> {
    this.#alarmAt = null;
    const now = Date.now();
    if (this.#sweepAt === null || this.#sweepAt <= now) this.#sweepAt = this.#store.sweep(now);
    await this.#askPlaces(now);
    this.#pump();
  }

  /**
   * Finds again what was not brought out. What was called before is not known, so no burst comes
   * soon after it; counted from then, since an idle object is started anew for each alarm.
   */
  #resume(now: number): void {
    if (!this.#bot) return;
    fillGate(this.#pace, WHOLE_BOT[this.#bot.platform], this.#lastChange);
    for (const { name, until } of this.#store.closedGates(now)) closeGate(this.#pace, name, until);
    for (const slot of this.#store.open()) {
      for (const gate of gatesOf(chatOf(slot))) fillGate(this.#pace, gate, this.#lastChange);
      this.#line(slot, now);
      this.#views.askNow(slot.key, now);
    }
    this.#pump();
  }

  #checkRoom(): void {
    if (this.#turns.bySlot.size < BOT_PENDING_MAX) return;
    throw new Error(`bot ${this.#bot?.id}: too many messages wait`);
  }

  /** Puts a slot in line for what its message does not show yet. */
  #line(slot: Slot, now: number, notBefore = 0): void {
    if (slot.endedAt !== null) {
      dropTurn(this.#turns, slot.key);
      this.#views.drop(slot.key);
      return;
    }
    const isWaiting = slot.wanted.kind === 'job' && slot.wanted.record.status === 'queued';
    if (isWaiting) this.#views.startAsking(slot.key, now);
    else this.#views.stopAsking(slot.key);
    const view = this.#views.get(slot.key);
    const canEdit = slot.messageId !== null && !slot.stage.silent;
    const rank = rankOf(slot) ?? (view.isNewer && canEdit ? 'progress' : null);
    if (rank === null) {
      dropTurn(this.#turns, slot.key);
      return;
    }
    const editableAt = rank === 'answer' ? 0 : view.editedAt + BOT_PROGRESS_MS;
    const turn = { slot: slot.key, chat: chatOf(slot), rank, since: now };
    putTurn(this.#turns, { ...turn, notBefore: Math.max(notBefore, editableAt) });
  }

  /** Starts what may be called now; the rest is for the end of a call, or for the alarm. */
  #pump(): void {
    const now = Date.now();
    while (this.#busy.size < BOT_CALLS_MAX) {
      const found = takeTurn(this.#turns, now, (chat, rank) => this.#opens(chat, rank, now));
      if ('at' in found) {
        this.#arm(found.at);
        return;
      }
      this.ctx.waitUntil(this.#bringOut(found.turn, now));
    }
    this.#arm(Infinity);
  }

  #opens(chat: string | null, rank: Rank, now: number): number {
    if (chat !== null && this.#busy.has(chat)) return Infinity;
    const gates = chat === null ? [] : gatesOf(chat);
    // What passed in the minute before the start is not known, only when the last of it did.
    if (now - this.#lastChange < MINUTE_MS) {
      const forgotten = gates.filter(({ limit, name }) => limit.burst > 1 && !this.#pace.has(name));
      for (const gate of forgotten) fillGate(this.#pace, gate, this.#lastChange);
    }
    return opensAt(this.#pace, [AWAY, ...gates], { now, thin: rank !== 'answer' });
  }

  /** Makes one call for a slot and takes its outcome; never rejects. */
  async #bringOut({ slot: key, chat, since }: Turn, now: number): Promise<void> {
    const slot = this.#store.find(key);
    if (!slot || !this.#bot || slot.endedAt !== null) return;
    const gates = gatesOf(chat);
    this.#busy.add(chat);
    passGates(this.#pace, gates, now);
    try {
      const view = this.#views.get(key);
      const sister = slot.shown === 0 ? this.#sisters.free(this.#isLate(since, now), now) : null;
      const taken = await makeStep({ env: this.#env, bot: this.#bot, slot, view, sister, now });
      const endedAt = Date.now();
      countMore(this.#pace, gates, taken.more);
      leaveGates(this.#pace, gates, endedAt);
      this.#settle(slot, taken, { chat, now: endedAt });
    } catch (error) {
      logError('bot.bring_out', error, { bot: this.#bot.id, slot: key });
      this.#settle(slot, faulty(this.#views.get(key)), { chat, now: Date.now() });
    }
    this.#busy.delete(chat);
    this.#pump();
  }

  /** Whether whoever this is for has waited for us, so that another bot would serve them better. */
  #isLate(since: number, now: number): boolean {
    const isClosed = closedUntil(this.#pace, AWAY.name, now) !== null;
    return isClosed || now - since > BOT_BUSY_MS;
  }

  #settle(tried: Slot, taken: Taken, { chat, now }: { chat: string; now: number }): void {
    const { step, view } = taken;
    const counts = this.#meter.streak === 0;
    this.#meter.countCall(step.fault, now);
    if (step.fault === null) this.#views.setShown(tried.key, view, now);
    if (taken.emptyForMs > 0) closeGate(this.#pace, chat, now + taken.emptyForMs);
    const current = this.#store.find(tried.key) ?? tried;
    const attempted = tried.revision;
    const { slot, next } = settleStep(current, step, { attempted, counts, now });
    this.#store.put(slot, now);
    if (step.beside) this.#store.keepBeside(slot, step.beside, now);
    if (slot.endedAt !== null) this.#noteEnd(slot, step.fault ? describeFault(step.fault) : '');
    this.#line(slot, now, this.#pauseFor(next, slot, { chat, now }));
  }

  /** Until when a slot is left alone after a fault; closes gates that others have to mind too. */
  #pauseFor(next: Next, slot: Slot, { chat, now }: { chat: string; now: number }): number {
    switch (next.kind) {
      case 'go_on':
        return 0;
      case 'pause':
        return now + backoffMs(slot.tries + 1, Math.random());
      case 'away': {
        const streak = this.#meter.streak;
        if (streak >= STREAK_AWAY) {
          const ms = backoffMs(streak - STREAK_AWAY + 1, Math.random());
          closeGate(this.#pace, AWAY.name, now + ms);
        }
        return now + backoffMs(slot.tries + 1, Math.random());
      }
      case 'wait': {
        // Telegram does not say whether it means the chat or the bot: a second chat tells.
        const last = this.#limitedChat;
        const isWide = next.wide || (last.chat !== chat && now - last.at < LIMITED_TOGETHER_MS);
        this.#limitedChat = { chat, at: now };
        const name = isWide ? AWAY.name : chat;
        closeGate(this.#pace, name, now + next.ms);
        this.#store.closeGate(name, now + next.ms);
        return now + next.ms;
      }
    }
  }

  #noteEnd(slot: Slot, reason: string): void {
    const fields = { bot: this.#bot?.id, slot: slot.key, job_id: slot.jobId, reason };
    if (slot.end === 'given_up') {
      this.#meter.countGivenUp();
      this.#store.noteFailure({ at: slot.endedAt ?? 0, slot: slot.key, reason });
      logWarn('bot.give_up', fields);
    } else if (slot.wanted.kind === 'job') {
      const { finishedAt, status } = slot.wanted.record;
      const ms = finishedAt === null ? null : (slot.endedAt ?? 0) - finishedAt;
      if (status === 'completed' && slot.end === 'shown') this.#meter.countDelivered(ms ?? 0);
      const isGroup = slot.chat.chatId.startsWith('-');
      logInfo('bot.deliver', { ...fields, end: slot.end, group: isGroup, ms });
    }
  }

  /** Asks where waiting jobs stand, so that their messages can say it. */
  async #askPlaces(now: number): Promise<void> {
    await inLanes(this.#views.takeDue(now, DELIVERIES_MAX), async (key) => {
      const slot = this.#store.find(key);
      if (slot?.wanted.kind !== 'job' || isTerminal(slot.wanted.record.status)) return;
      const { id, accountId } = slot.wanted.record;
      try {
        const live = await this.#env.schedulers.getByName(poolOfJob(id)!).find(id, accountId);
        this.#views.setWaiting(key, live?.waiting ?? null, Date.now());
        this.#line(slot, Date.now());
      } catch (error) {
        logWarn('bot.ask_place', { job_id: id, message: String(error) });
      }
    });
  }

  /** Sees to it that the alarm comes by then, or earlier when something else needs it. */
  #arm(at: number): void {
    const now = Date.now();
    const isWorking = this.#turns.bySlot.size > 0 || this.#busy.size > 0;
    const checkAt = isWorking ? now + BOT_CHECK_MS : Infinity;
    const sweepAt = this.#sweepAt ?? now + SWEEP_MS;
    const next = Math.min(at, checkAt, this.#views.nextAt, sweepAt);
    if (this.#alarmAt !== null && this.#alarmAt <= next) return;
    this.#alarmAt = next;
    void this.ctx.storage.setAlarm(next);
  }
}
