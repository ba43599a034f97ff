/**
 * The calls of `/v1` that take and give JSON, as a table: what a typed client needs to know of
 * each. The OpenAPI description is the reference; a test keeps the two in step. A path's `{…}` are
 * its parameters; `answer` is null where there is none (204).
 */
import type { z } from 'zod';
import {
  AccountView,
  CancelView,
  JobBatch,
  JobBatchView,
  JobList,
  JobQuery,
  JobView,
  ModelList,
  ModelView,
  QuoteView,
} from './api.ts';
import { Deleted, FileFromResult, FileView } from './file.ts';
import { GalleryEntry, GalleryPage, GalleryQuery, Publish } from './gallery.ts';
import { JobRequest } from './job.ts';
import { CreatedKey, CreateKey, KeyList, RotateKey } from './key.ts';
import { UsageQuery, UsageReport } from './report.ts';
import {
  CreateWebhook,
  DeliveryList,
  DeliveryView,
  RotateWebhook,
  WebhookList,
  UpdateWebhook,
  WebhookSecret,
  WebhookView,
  WebhookWithSecret,
} from './webhook.ts';

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: `/v1/${string}`;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  readonly answer: z.ZodType | null;
}

const JOB = '/v1/jobs/{id}';
const KEY = '/v1/keys/{id}';
const WEBHOOK = '/v1/webhooks/{id}';

export const ROUTES = {
  listModels: { method: 'GET', path: '/v1/models', answer: ModelList },
  readModel: { method: 'GET', path: '/v1/models/{id}', answer: ModelView },
  readAccount: { method: 'GET', path: '/v1/account', answer: AccountView },
  readUsage: { method: 'GET', path: '/v1/usage', query: UsageQuery, answer: UsageReport },

  submitJob: { method: 'POST', path: '/v1/jobs', body: JobRequest, answer: JobView },
  quoteJob: { method: 'POST', path: '/v1/jobs?dry_run=1', body: JobRequest, answer: QuoteView },
  submitJobs: { method: 'POST', path: '/v1/jobs/batch', body: JobBatch, answer: JobBatchView },
  listJobs: { method: 'GET', path: '/v1/jobs', query: JobQuery, answer: JobList },
  readJob: { method: 'GET', path: JOB, answer: JobView },
  cancelJob: { method: 'POST', path: `${JOB}/cancel`, answer: CancelView },
  deleteJob: { method: 'DELETE', path: JOB, answer: Deleted },

  listGallery: { method: 'GET', path: '/v1/gallery', query: GalleryQuery, answer: GalleryPage },
  publishJob: { method: 'PUT', path: `${JOB}/gallery`, body: Publish, answer: GalleryEntry },
  withdrawJob: { method: 'DELETE', path: `${JOB}/gallery`, answer: null },

  makeFile: { method: 'POST', path: '/v1/files', body: FileFromResult, answer: FileView },
  readFile: { method: 'GET', path: '/v1/files/{id}', answer: FileView },
  deleteFile: { method: 'DELETE', path: '/v1/files/{id}', answer: Deleted },

  listKeys: { method: 'GET', path: '/v1/keys', answer: KeyList },
  makeKey: { method: 'POST', path: '/v1/keys', body: CreateKey, answer: CreatedKey },
  rotateKey: { method: 'POST', path: `${KEY}/rotate`, body: RotateKey, answer: CreatedKey },
  revokeKey: { method: 'DELETE', path: KEY, answer: null },

  listWebhooks: { method: 'GET', path: '/v1/webhooks', answer: WebhookList },
  makeWebhook: {
    method: 'POST',
    path: '/v1/webhooks',
    body: CreateWebhook,
    answer: WebhookWithSecret,
  },
  readWebhook: { method: 'GET', path: WEBHOOK, answer: WebhookView },
  updateWebhook: { method: 'PATCH', path: WEBHOOK, body: UpdateWebhook, answer: WebhookView },
  deleteWebhook: { method: 'DELETE', path: WEBHOOK, answer: null },
  enableWebhook: { method: 'POST', path: `${WEBHOOK}/enable`, answer: WebhookView },
  rotateWebhook: {
    method: 'POST',
    path: `${WEBHOOK}/rotate`,
    body: RotateWebhook,
    answer: WebhookWithSecret,
  },
  readWebhookSecret: {
    method: 'GET',
    path: '/v1/webhooks/default/secret',
    answer: WebhookSecret,
  },
  testWebhook: { method: 'POST', path: `${WEBHOOK}/test`, answer: DeliveryView },
  listDeliveries: { method: 'GET', path: `${WEBHOOK}/deliveries`, answer: DeliveryList },
  redeliver: {
    method: 'POST',
    path: `${WEBHOOK}/deliveries/{delivery_id}/redeliver`,
    answer: DeliveryView,
  },
} as const satisfies Record<string, Route>;

export type Routes = typeof ROUTES;
