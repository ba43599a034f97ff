/**
 * What a delivery says: `{ type, timestamp, data }`, with the id that stays the same on every
 * try. `data` is made when it is sent: the signed URLs in it are good for an hour from then on.
 */
import { assert } from '#schema/assert.ts';
import { isTerminal } from '#schema/job.ts';
import { toTokens } from '#schema/price.ts';
import type { JobRecord } from '#schema/record.ts';
import type { WebhookType } from '#schema/webhook.ts';
import type { QuotaNotice } from '../../rpc/courier.ts';
import { viewJob } from '../../services/view-job.ts';
import type { ViewContext } from '../../services/view-job.ts';
import type { Content, NewDelivery, Target } from './store.ts';

export interface Message {
  readonly type: WebhookType;
  /** When it happened, ISO 8601. */
  readonly timestamp: string;
  readonly data: unknown;
}

/** The delivery of a job's end. */
export function jobDelivery(record: JobRecord, target: Target | null): NewDelivery {
  return {
    id: `msg_${record.id.slice('job_'.length)}_${record.sequence}`,
    type: jobType(record),
    jobId: record.id,
    target,
    // Its notices name other receivers, and their secrets.
    content: { kind: 'job', record: { ...record, notices: [] } },
  };
}

/** The delivery of news of the day's tokens. */
export function quotaDelivery(notice: QuotaNotice): NewDelivery {
  return {
    id: `msg_${notice.id.replaceAll(/[^A-Za-z0-9_-]/g, '-')}`,
    type: notice.type,
    jobId: null,
    target: null,
    content: { kind: 'quota', notice },
  };
}

/** A delivery to see whether it arrives. */
export function testDelivery(endpointId: string, at: number): NewDelivery {
  return {
    id: `msg_${crypto.randomUUID()}`,
    type: 'webhook.test',
    jobId: null,
    target: null,
    content: { kind: 'test', endpointId, at },
  };
}

/** The event that a job's end is. */
export function jobType({ status }: JobRecord): Extract<WebhookType, `job.${string}`> {
  assert(isTerminal(status), 'an endpoint is told of ends alone');
  return `job.${status}`;
}

/** The body of a delivery, before it is JSON. */
export async function writeMessage(content: Content, context: ViewContext): Promise<Message> {
  switch (content.kind) {
    case 'job': {
      const { record } = content;
      return {
        type: jobType(record),
        timestamp: toIso(record.finishedAt ?? context.now),
        data: await viewJob({ record, progress: null, waiting: null }, context),
      };
    }
    case 'quota': {
      const { notice } = content;
      const used = notice.spentMillitokens + notice.heldMillitokens;
      return {
        type: notice.type,
        timestamp: toIso(notice.at),
        data: {
          day: notice.day,
          limit: toTokens(notice.limitMillitokens),
          spent: toTokens(notice.spentMillitokens),
          held: toTokens(notice.heldMillitokens),
          available: toTokens(Math.max(0, notice.limitMillitokens - used)),
          renews_at: toIso(notice.renewsAt),
        },
      };
    }
    case 'test':
      return {
        type: 'webhook.test',
        timestamp: toIso(content.at),
        data: { webhook_id: content.endpointId },
      };
  }
}

function toIso(ms: number): string {
  return new Date(ms).toISOString();
}
