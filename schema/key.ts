/**
 * API keys as their owner makes and sees them. A key without limits may do everything. One that
 * is kept to some models, a budget or a rate can never make keys: it would make one without.
 */
import { z } from 'zod';
import { ApiKeyId } from './id.ts';
import { KEY_MODELS_MAX, KEY_OVERLAP_S_MAX, NAME_CHARS_MAX } from './limits.ts';
import { findModel, ModelId } from './model.ts';
import { PLANS } from './plan.ts';
import { Scope, SCOPES } from './scope.ts';

const Time = z.iso.datetime().meta({ example: '2026-12-31T23:59:59.000Z' });
const Amount = z.number().nonnegative();

/** No budget is above what any plan gives. */
const BUDGET_TOKENS_MAX = PLANS.admin.dailyMillitokens / 1000;

const unique = (values: readonly string[]) => new Set(values).size === values.length;

/** Body of `POST /v1/keys`. */
export const CreateKey = z
  .strictObject({
    name: z.string().trim().min(1).max(NAME_CHARS_MAX),
    scopes: z
      .array(Scope)
      .max(Object.keys(SCOPES).length)
      .refine(unique, 'must not repeat a scope')
      .default([])
      .meta({ description: 'What it may do; everything when empty.' }),
    models: z
      .array(ModelId.refine((id) => findModel(id) !== undefined, 'names no model of the catalog'))
      .min(1)
      .max(KEY_MODELS_MAX)
      .refine(unique, 'must not repeat a model')
      .nullable()
      .default(null)
      .meta({ description: 'The only models it may use; all when null.' }),
    daily_tokens: z
      .number()
      .min(0.001)
      .max(BUDGET_TOKENS_MAX)
      .nullable()
      .default(null)
      .meta({ description: "Tokens it may use a UTC day; the plan's when null." }),
    requests_per_minute: z
      .int()
      .min(1)
      .max(PLANS.admin.requestsPerMinute)
      .nullable()
      .default(null)
      .meta({ description: "A rate of its own, below the plan's; none when null." }),
    expires_at: Time.nullable().default(null),
  })
  .refine(
    ({ scopes, models, daily_tokens, requests_per_minute }) =>
      !scopes.includes('keys:write') ||
      (models === null && daily_tokens === null && requests_per_minute === null),
    {
      path: ['scopes'],
      message: 'must not have keys:write beside models, daily_tokens or requests_per_minute',
    },
  )
  .meta({ id: 'CreateKey' });
export type CreateKey = z.infer<typeof CreateKey>;

/** Body of `POST /v1/keys/{id}/rotate`. */
export const RotateKey = z
  .strictObject({
    overlap_s: z
      .int()
      .min(0)
      .max(KEY_OVERLAP_S_MAX)
      .default(0)
      .meta({ description: 'How long the old secret goes on working, seconds.' }),
  })
  .meta({ id: 'RotateKey' });
export type RotateKey = z.infer<typeof RotateKey>;

export const KeyView = z
  .object({
    id: ApiKeyId,
    name: z.string(),
    hint: z.string().meta({ description: 'The last characters of its secret.' }),
    scopes: z.array(Scope),
    models: z.array(ModelId).nullable(),
    requests_per_minute: z.int().nullable(),
    budget: z
      .object({
        day: z.iso.date(),
        limit: Amount,
        spent: Amount,
        held: Amount,
        available: Amount,
        renews_at: Time,
      })
      .nullable()
      .meta({ description: "The day's tokens of a key that has a budget." }),
    created_at: Time,
    expires_at: Time.nullable(),
    last_used_at: Time.nullable().meta({ description: 'To the hour.' }),
    rotated_secret_until: Time.nullable().meta({
      description: 'Until when the secret before the last rotation works.',
    }),
  })
  .meta({ id: 'ApiKey' });
export type KeyView = z.infer<typeof KeyView>;

export const KeyList = z
  .object({ data: z.array(KeyView), next_cursor: z.string().nullable() })
  .meta({ id: 'ApiKeyList' });
export type KeyList = z.infer<typeof KeyList>;

/** A key with its secret, which is shown here and nowhere else. */
export const CreatedKey = KeyView.extend({
  api_key: z.string().meta({ description: 'Shown once.' }),
}).meta({ id: 'CreatedApiKey' });
export type CreatedKey = z.infer<typeof CreatedKey>;
