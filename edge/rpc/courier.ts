/** The couriers, one per webhook endpoint and one per bot, as their callers see them over RPC. */
import type { Progress } from '#schema/api.ts';
import type { BotHealth } from '#schema/bot.ts';
import type { ChatAddress } from '#schema/chat.ts';
import type { Preview } from '#schema/event.ts';
import type { PlanId } from '#schema/plan.ts';
import type { JobRecord } from '#schema/record.ts';
import type {
  DeliveryStatus,
  DisabledReason,
  DropReason,
  TryFault,
  WebhookEvent,
  WebhookType,
} from '#schema/webhook.ts';
import type { Outbound } from '../chat/message.ts';
import type { Result } from '../core/result.ts';
import type { Rank } from '../core/turn.ts';

/** Takes news of jobs and delivers them outside: paced, retried, at least once. */
export interface CourierObject {
  /** Durable when it resolves. Idempotent on (job id, sequence). */
  publish(records: readonly JobRecord[]): Promise<void>;
}

/** How a day's tokens of an account stand. Amounts are millitokens, times epoch ms. */
export interface QuotaNotice {
  /** Of this news: the same however often it is told. */
  readonly id: string;
  readonly type: 'tokens.low' | 'tokens.exhausted';
  readonly at: number;
  readonly accountId: string;
  readonly day: string;
  readonly limitMillitokens: number;
  readonly spentMillitokens: number;
  readonly heldMillitokens: number;
  readonly renewsAt: number;
}

/** A webhook endpoint, as its courier is told of it. */
export interface EndpointSetup {
  readonly id: string;
  readonly accountId: string;
  readonly url: string;
  readonly secret: string;
  readonly events: readonly WebhookEvent[];
  readonly description: string | null;
  /** Epoch ms, as all times here. */
  readonly createdAt: number;
}

/** How an endpoint stands. */
export interface EndpointState {
  readonly description: string | null;
  readonly disabledAt: number | null;
  readonly disabledReason: DisabledReason | null;
  /** Deliveries still to be made. */
  readonly pending: number;
  readonly failingSince: number | null;
}

/** One try of a delivery. */
export interface DeliveryTry {
  readonly at: number;
  readonly statusCode: number | null;
  readonly fault: TryFault | null;
  readonly durationMs: number;
}

/** A delivery, as the log has it. */
export interface DeliveryState {
  /** Rises with each delivery of the courier. */
  readonly number: number;
  readonly id: string;
  readonly type: WebhookType;
  readonly jobId: string | null;
  readonly status: DeliveryStatus;
  readonly dropReason: DropReason | null;
  readonly createdAt: number;
  readonly endedAt: number | null;
  readonly nextTryAt: number | null;
  /** The newest WEBHOOK_TRIES_SHOWN_MAX, oldest first. */
  readonly tries: readonly DeliveryTry[];
  readonly tryCount: number;
}

/** Why a delivery is not made again, or no test is sent. */
export type RepeatRefusal =
  | { readonly reason: 'delivery_not_found' }
  | { readonly reason: 'webhook_disabled' };

/** The courier of a webhook endpoint, or of an account's URLs of single jobs. */
export interface WebhookCourierObject extends CourierObject {
  /** Durable when it resolves. Idempotent on the notice's id; nothing for one that was deleted. */
  tell(notice: QuotaNotice): Promise<void>;
  /** Takes over an endpoint. Until then, and after `close`, news for it is dropped. */
  open(endpoint: EndpointSetup): Promise<void>;
  /** Forgets the endpoint, its log and what is still to be delivered. */
  close(): Promise<void>;
  /** Null when there is no such endpoint. */
  state(): Promise<EndpointState | null>;
  /** What is sent from now on, and where to. False when there is no such endpoint. */
  update(change: Pick<EndpointSetup, 'url' | 'events' | 'description'>): Promise<boolean>;
  /** Whether this is the endpoint's secret. */
  hasSecret(secret: string): Promise<boolean>;
  /** Sends no more until it is enabled, by its owner's wish. */
  disable(): Promise<boolean>;
  /** Sends again after it was disabled; what was dropped meanwhile stays so. */
  enable(): Promise<boolean>;
  /** A new secret; the old one signs too for `overlapMs`. */
  rotate(secret: string, overlapMs: number): Promise<boolean>;
  /** A delivery that says nothing, to see whether it arrives. */
  sendTest(): Promise<Result<DeliveryState, RepeatRefusal>>;
  /** The log, newest first, from before a number on. */
  deliveries(page: {
    readonly before: number | null;
    readonly limit: number;
  }): Promise<readonly DeliveryState[]>;
  delivery(id: string): Promise<DeliveryState | null>;
  /** Makes a delivery again, with all its tries, under the same id; `record` is its job. */
  redeliver(id: string, record: JobRecord | null): Promise<Result<DeliveryState, RepeatRefusal>>;
}

/** One bot's courier. */
export interface BotCourierObject extends CourierObject {
  /** The newest counts; may be lost. */
  progress(jobId: string, progress: Progress, preview: Preview | null): Promise<void>;
  /**
   * Takes a message to bring out. Durable when it resolves, except a note; idempotent on its key.
   * `accountId` is whose chat it is, once known: news of the account then find the way there.
   */
  send(outbound: Outbound, accountId: string | null): Promise<void>;
  /**
   * Tells an account of its new plan, where this bot last met it; once for each key. False when
   * it never did.
   */
  announce(accountId: string, plan: PlanId, key: string): Promise<boolean>;
  /** Where and when this bot was last in touch with an account, or null. */
  meeting(accountId: string): Promise<BotMeeting | null>;
  /** Whether a job's message stands in its chat, or will never: nobody waits to see it. */
  isShown(jobId: string): Promise<boolean>;
  /** The account whose job this is, if the bot shows it in one of these chats; else null. */
  ownerOf(jobId: string, chatIds: readonly string[]): Promise<string | null>;
  /** How the bot stands; cheap. */
  health(): Promise<BotHealth>;
  /** The same in more figures, for metrics. */
  figures(): Promise<BotFigures>;
}

/** Counted since the courier last started, as in its health. */
export interface BotFigures {
  readonly health: BotHealth;
  /** Messages to be sent or edited, by how pressing that is. */
  readonly waiting: Readonly<Record<Rank, number>>;
  /** Calls that the platform did. */
  readonly sends: number;
  /** Sum of what the platform said to wait. */
  readonly toldToWaitMs: number;
  /** From the end of jobs to their results in the chat: how many by bound, the last beyond all. */
  readonly delay: {
    readonly boundsS: readonly number[];
    readonly counts: readonly number[];
    readonly sumMs: number;
  };
}

export interface BotMeeting {
  readonly at: number;
  readonly chat: ChatAddress;
}
