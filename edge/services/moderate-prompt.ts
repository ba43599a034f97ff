/**
 * Judges the texts of a job before anything is held: our own rules first, then the moderation
 * server where there is one. A block is recorded, for the operator, with its category, its rule
 * and the hash of the texts; the texts themselves are kept nowhere. Only those who may call at
 * all learn a verdict, at the price of a request, and only they make us ask the server, or read
 * what is long.
 */
import {
  MODERATION_MS_MAX,
  STRANGER_CHARS_MAX,
  VERDICT_WRITE_MS,
  VERIFIED_KEYS_MAX,
  VERIFIED_MS,
} from '#schema/limits.ts';
import type { JobSpec } from '#schema/job.ts';
import type { ContentCategory } from '#schema/moderation.ts';
import { audit } from '#schema/tables/index.ts';
import { judgeTexts, textsOf } from '../core/moderation.ts';
import type { UserText, Verdict } from '../core/moderation.ts';
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';
import type { Env } from '../env.ts';
import type { AccessRefusal, RateState } from '../rpc/account.ts';
import { openDb } from '../io/db.ts';
import { logError, logWarn } from '../io/log.ts';
import { askModeration } from '../io/moderation.ts';
import { hashSha256 } from '../io/token.ts';
import { authenticate } from './authenticate.ts';
import type { Credential } from './authenticate.ts';

/** Why a job is not made for what it asks. */
export type ContentRefusal =
  | {
      readonly reason: 'content_blocked';
      readonly category: ContentCategory;
      readonly field: string;
      readonly rate: RateState;
    }
  | { readonly reason: 'moderation_unavailable'; readonly retryAfterMs: number };

export interface Judged {
  readonly credential: Credential;
  readonly spec: JobSpec;
  readonly requestId: string;
  readonly now: number;
}

/** Nothing when the job may be made. `send` reaches the moderation server. */
export async function moderatePrompt(
  env: Env,
  judged: Judged,
  send: typeof fetch = fetch,
): Promise<Result<void, ContentRefusal | AccessRefusal>> {
  const texts = textsOf(judged.spec).filter(({ text }) => text !== '');
  const chars = texts.reduce((sum, { text }) => sum + text.length, 0);
  if (chars > STRANGER_CHARS_MAX) {
    const known = await isKnown(env, judged);
    if (!known.ok) return known;
  }
  const verdict = judgeTexts(texts);
  if (verdict) return block(env, { ...judged, texts, verdict });
  if (!env.moderation || texts.length === 0) return ok(undefined);
  const known = await isKnown(env, judged);
  if (!known.ok) return known;
  // What is unwanted in a picture is no ground to block it, and a server cannot tell.
  const asked = texts.filter(({ kind }) => kind !== 'negative');
  const sent = asked.map(({ text }) => text);
  const answer = await askModeration(env.moderation, sent, send);
  switch (answer.kind) {
    case 'clean':
      return ok(undefined);
    case 'away':
      if (!env.moderation.isClosed) return ok(undefined);
      return fail({ reason: 'moderation_unavailable', retryAfterMs: MODERATION_MS_MAX });
    case 'flagged': {
      const { category, index, name } = answer;
      const severity = category === 'sexual_minors' ? 'severe' : 'normal';
      const field = asked[index]?.field ?? 'prompt';
      const flagged: Verdict = { category, rule: `server.${name}`, field, severity };
      return block(env, { ...judged, texts, verdict: flagged });
    }
  }
}

interface Block extends Judged {
  readonly texts: readonly UserText[];
  readonly verdict: Verdict;
}

async function block(
  env: Env,
  { credential, spec, requestId, now, texts, verdict }: Block,
): Promise<Result<never, ContentRefusal | AccessRefusal>> {
  const access = await authenticate(env, credential, 'jobs:write');
  if (!access.ok) return access;
  const { category, rule, field, severity } = verdict;
  const hash = await hashSha256(texts.map(({ text }) => text).join('\n'));
  const { accountId } = credential;
  const detail = { category, rule, field, severity, type: spec.type };
  logWarn('content.block', { account_id: accountId, request_id: requestId, hash, ...detail });
  const entry = {
    id: `${requestId}:content.block:${hash.slice(0, 16)}`,
    actor: accountId,
    action: 'content.block',
    target: `sha256:${hash}`,
    requestId,
    detail,
    createdAt: new Date(now),
  };
  try {
    await openDb(
      env,
      (db) => db.insert(audit).values(entry).onConflictDoNothing(),
      VERDICT_WRITE_MS,
    );
  } catch (error) {
    logError('content.record', error, { account_id: accountId, request_id: requestId });
  }
  return fail({ reason: 'content_blocked', category, field, rate: access.value.rate });
}

/** When each key was verified last; the oldest first. */
const verifiedAt = new Map<string, number>();

/** Verifies a key that was not verified lately; a bot of ours speaks for users it knows. */
async function isKnown(
  env: Env,
  { credential, now }: Judged,
): Promise<Result<void, AccessRefusal>> {
  const { accountId, caller } = credential;
  if (caller.kind === 'identity') return ok(undefined);
  const key = `${accountId} ${caller.secretHash}`;
  const last = verifiedAt.get(key);
  if (last !== undefined && now - last < VERIFIED_MS) return ok(undefined);
  const access = await authenticate(env, credential, 'jobs:write');
  if (!access.ok) return access;
  verifiedAt.delete(key);
  verifiedAt.set(key, now);
  const [oldest] = verifiedAt.keys();
  if (verifiedAt.size > VERIFIED_KEYS_MAX && oldest !== undefined) verifiedAt.delete(oldest);
  return ok(undefined);
}
