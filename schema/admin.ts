/** What the operator asks of accounts, jobs and the audit under `/admin/v1`, and the answers. */
import { z } from 'zod';
import { JobView } from './api.ts';
import { AccountId, AgentId, ApiKeyId } from './id.ts';
import { KeyView } from './key.ts';
import {
  GRANT_TOKENS_MAX,
  NAME_CHARS_MAX,
  PAGE_DEFAULT,
  PAGE_MAX,
  REASON_CHARS_MAX,
} from './limits.ts';
import { PlanId } from './plan.ts';
import { text } from './text.ts';
import { PastTime } from './time.ts';

const Time = z.iso.datetime();
const Amount = z.number().nonnegative();
const Reason = z
  .string()
  .trim()
  .min(1)
  .max(REASON_CHARS_MAX)
  .meta({ description: 'Why; kept in the audit.' });
const Page = {
  cursor: z.string().max(200).optional(),
  limit: z.coerce.number().int().min(1).max(PAGE_MAX).default(PAGE_DEFAULT),
};

/** Body of what needs a reason and nothing else. */
export const WithReason = z.strictObject({ reason: Reason }).meta({ id: 'WithReason' });
export type WithReason = z.infer<typeof WithReason>;

export const SetPlan = z
  .strictObject({
    plan: PlanId,
    reason: Reason,
    until: Time.nullable().default(null).meta({
      description: 'When the plan before comes back; for good when null.',
    }),
  })
  .meta({ id: 'SetPlan' });
export type SetPlan = z.infer<typeof SetPlan>;

export const GrantTokens = z
  .strictObject({
    tokens: z
      .number()
      .min(0.001)
      .max(GRANT_TOKENS_MAX)
      .meta({ description: 'Beyond the plan, for the UTC day of now.' }),
    reason: Reason,
  })
  .meta({ id: 'GrantTokens' });
export type GrantTokens = z.infer<typeof GrantTokens>;

export const AccountQuery = z.strictObject({
  ...Page,
  q: text(NAME_CHARS_MAX * 2)
    .optional()
    .meta({
      description: "An account's id, an identity (`telegram:123`), a key's id, or part of a name.",
    }),
  plan: PlanId.optional(),
  blocked: z.enum(['true', 'false']).optional(),
});
export type AccountQuery = z.infer<typeof AccountQuery>;

const AccountRow = z.object({
  id: AccountId,
  name: z.string(),
  plan: PlanId,
  plan_until: Time.nullable(),
  blocked: z.boolean(),
  block_reason: z.string().nullable(),
  identities: z.array(z.string()).nullable().meta({ description: 'Null while Postgres is away.' }),
  created_at: Time,
});

export const AccountList = z
  .object({ data: z.array(AccountRow), next_cursor: z.string().nullable() })
  .meta({ id: 'AccountList' });
export type AccountList = z.infer<typeof AccountList>;

/** An account as its own object has it. */
export const AccountProfileView = AccountRow.extend({
  plan_after: PlanId.meta({ description: 'What comes after `plan_until`.' }),
  balance: z.object({
    day: z.iso.date(),
    limit: Amount.meta({ description: "The plan's and what was granted." }),
    granted: Amount,
    spent: Amount,
    held: Amount,
    available: Amount,
    renews_at: Time,
  }),
  jobs_open: z.int(),
  keys: z.array(KeyView),
  webhooks: z.array(
    z.object({
      id: z.string(),
      url: z.string(),
      events: z.array(z.string()),
      disabled: z.boolean(),
    }),
  ),
}).meta({ id: 'AccountProfile' });
export type AccountProfileView = z.infer<typeof AccountProfileView>;

/** A job with what only the operator sees. */
export const AdminJobView = JobView.extend({
  account_id: AccountId,
  api_key_id: ApiKeyId.nullable(),
  agent_id: AgentId.nullable(),
  request_id: z.string(),
}).meta({ id: 'AdminJob' });
export type AdminJobView = z.infer<typeof AdminJobView>;

/** Which job is meant, beside its id. */
export const AdminJobQuery = z.strictObject({
  account_id: AccountId.optional().meta({
    description:
      'Whose job it is: needed for one that was accepted but has not reached the queue, of which ' +
      'only its account knows.',
  }),
});

export const AuditQuery = z.strictObject({
  ...Page,
  actor: text(100).optional(),
  action: text(100).optional().meta({ example: 'plan.set' }),
  target: text(100).optional(),
  after: PastTime.optional(),
  before: PastTime.optional(),
});
export type AuditQuery = z.infer<typeof AuditQuery>;

export const AuditList = z
  .object({
    data: z.array(
      z.object({
        id: z.string(),
        actor: z.string(),
        action: z.string(),
        target: z.string(),
        request_id: z.string().nullable(),
        reason: z.string().nullable(),
        detail: z.record(z.string(), z.unknown()),
        created_at: Time,
      }),
    ),
    next_cursor: z.string().nullable(),
  })
  .meta({ id: 'AuditList' });
export type AuditList = z.infer<typeof AuditList>;
