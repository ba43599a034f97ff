import { desc, eq } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import type { JobSpec } from '#schema/job.ts';
import { STRANGER_CHARS_MAX } from '#schema/limits.ts';
import { audit } from '#schema/tables/index.ts';
import type { Env } from '../env.ts';
import { openDb } from '../io/db.ts';
import { makeRequestId } from '../io/id.ts';
import { hashSha256 } from '../io/token.ts';
import type { AccountView, JobBatchView, JobView } from '#schema/api.ts';
import { expectError, HttpWorld, PAINTING } from '../test/http.ts';
import { ModerationDouble } from '../test/moderation.ts';
import { makeAccount, SPEC } from '../test/world.ts';
import { moderatePrompt } from './moderate-prompt.ts';
import type { Judged } from './moderate-prompt.ts';

const MODERATION = { MODERATION_URL: 'https://judge.example/v1/', MODERATION_KEY: 'k' };

async function judged(more: Partial<JobSpec> & { prompt: string }): Promise<Judged> {
  const { id, caller } = await makeAccount();
  return {
    credential: { accountId: id, caller },
    spec: { ...SPEC, ...more } as JobSpec,
    requestId: makeRequestId(Date.now()),
    now: Date.now(),
  };
}

function lastEntry(env: Env, actor: string) {
  return openDb(env, async (db) => {
    const rows = await db
      .select()
      .from(audit)
      .where(eq(audit.actor, actor))
      .orderBy(desc(audit.createdAt));
    return rows.find(({ action }) => action === 'content.block') ?? null;
  });
}

describe('our own rules', () => {
  const { env } = new HttpWorld();

  it('block, and record the rule and the hash, but no word', async () => {
    const job = await judged({ prompt: 'a naked person' });
    const { accountId } = job.credential;
    expect(await moderatePrompt(env, job)).toMatchObject({
      ok: false,
      error: { reason: 'content_blocked', category: 'sexual', field: 'prompt' },
    });
    const entry = await lastEntry(env, accountId);
    expect(entry).toMatchObject({
      actor: accountId,
      requestId: job.requestId,
      target: `sha256:${await hashSha256('a naked person')}`,
      detail: { category: 'sexual', rule: 'sexual.shown', severity: 'normal', type: 'image' },
    });
    expect(JSON.stringify(entry)).not.toContain('naked');
  });

  it('mark what concerns minors as severe', async () => {
    const job = await judged({ prompt: 'nude child' });
    expect((await moderatePrompt(env, job)).ok).toBe(false);
    const entry = await lastEntry(env, job.credential.accountId);
    expect(entry?.detail).toMatchObject({ category: 'sexual_minors', severity: 'severe' });
  });

  it('record nothing of what is allowed', async () => {
    const job = await judged({ prompt: 'a harbour' });
    expect((await moderatePrompt(env, job)).ok).toBe(true);
    expect(await lastEntry(env, job.credential.accountId)).toBeNull();
  });

  it('tell a stranger nothing', async () => {
    const job = await judged({ prompt: 'a naked person' });
    const credential = { ...job.credential, caller: { kind: 'key', secretHash: 'x' } as const };
    expect(await moderatePrompt(env, { ...job, credential })).toMatchObject({
      error: { reason: 'unauthorized' },
    });
    expect(await lastEntry(env, job.credential.accountId)).toBeNull();
  });

  it('read what is long for known callers alone', async () => {
    const job = await judged({ prompt: 'a boat '.repeat(STRANGER_CHARS_MAX / 7 + 1) });
    expect((await moderatePrompt(env, job)).ok).toBe(true);
    const credential = { ...job.credential, caller: { kind: 'key', secretHash: 'x' } as const };
    expect(await moderatePrompt(env, { ...job, credential })).toMatchObject({
      ok: false,
      error: { reason: 'unauthorized' },
    });
  });

  it('block while the database is away', async () => {
    const away = new HttpWorld({ DATABASE_WS_PROXY: '127.0.0.1:9/v1' });
    const job = await judged({ prompt: 'a naked person' });
    expect((await moderatePrompt(away.env, job)).ok).toBe(false);
  });
});

describe('a moderation server', () => {
  const { env } = new HttpWorld(MODERATION);

  it('is asked what our rules allow, but for what is unwanted', async () => {
    const double = new ModerationDouble();
    const job = await judged({ prompt: 'a harbour', negative_prompt: 'nsfw' });
    expect((await moderatePrompt(env, job, double.send)).ok).toBe(true);
    expect(double.asked.map(({ url, input }) => [url, input])).toEqual([
      ['https://judge.example/v1/moderations', ['a harbour']],
    ]);
  });

  it('blocks with its category as the rule', async () => {
    const double = new ModerationDouble({ 'a riddle': ['sexual/minors'] });
    const job = await judged({ prompt: 'a riddle' });
    expect(await moderatePrompt(env, job, double.send)).toMatchObject({
      error: { reason: 'content_blocked', category: 'sexual_minors' },
    });
    expect((await lastEntry(env, job.credential.accountId))?.detail).toMatchObject({
      rule: 'server.sexual/minors',
      severity: 'severe',
    });
  });

  it('is not asked what our rules block, nor by strangers', async () => {
    const double = new ModerationDouble();
    await moderatePrompt(env, await judged({ prompt: 'a naked person' }), double.send);
    const job = await judged({ prompt: 'a harbour' });
    const credential = { ...job.credential, caller: { kind: 'key', secretHash: 'x' } as const };
    const answer = await moderatePrompt(env, { ...job, credential }, double.send);
    expect(answer).toMatchObject({ error: { reason: 'unauthorized' } });
    expect(double.asked).toEqual([]);
  });

  it('costs a known caller no further request of its rate', async () => {
    const double = new ModerationDouble();
    const job = await judged({ prompt: 'a harbour' });
    const account = env.accounts.getByName(job.credential.accountId);
    for (let round = 0; round < 3; round += 1) await moderatePrompt(env, job, double.send);
    const access = await account.authenticate(job.credential.caller, 'jobs:write');
    const { limit, remaining } = access.ok ? access.value.rate : { limit: 0, remaining: 0 };
    expect(limit - Math.round(remaining)).toBe(2);
  });

  it('may be away, unless nothing is to pass without it', async () => {
    const double = new ModerationDouble();
    double.isAway = true;
    const job = await judged({ prompt: 'a harbour' });
    expect((await moderatePrompt(env, job, double.send)).ok).toBe(true);
    const closed = new HttpWorld({ ...MODERATION, MODERATION_FAIL: 'closed' });
    expect(await moderatePrompt(closed.env, job, double.send)).toMatchObject({
      error: { reason: 'moderation_unavailable' },
    });
  });
});

describe('by HTTP', () => {
  it('a blocked prompt is refused without its words, and holds nothing', async () => {
    const world = new HttpWorld();
    await world.newAgent();
    const { api_key } = await world.newAccount();
    const sent = { ...PAINTING, prompt: 'a n.a.k.e.d dancer' };
    for (const path of ['/v1/jobs', '/v1/jobs?dry_run=1']) {
      const response = await world.post(path, api_key, sent);
      expect(response.status).toBe(422);
      expect(response.headers.get('ratelimit-limit')).not.toBeNull();
      const error = await expectError(response, 'content_blocked');
      expect(error.details).toEqual({ category: 'sexual', field: 'prompt' });
      expect(JSON.stringify(error)).not.toMatch(/dancer|n\.a\.k|naked/i);
    }
    const account = await world.get('/v1/account', api_key);
    const { balance, jobs_open } = await account.json<AccountView>();
    expect({ held: balance.held, jobs_open }).toEqual({ held: 0, jobs_open: 0 });
  });

  it('a batch loses only the jobs that are blocked', async () => {
    const world = new HttpWorld();
    await world.newAgent();
    const { api_key } = await world.newAccount();
    const jobs = [PAINTING, { ...PAINTING, prompt: 'gore' }, PAINTING];
    const response = await world.post('/v1/jobs/batch', api_key, { jobs });
    const { jobs: parts } = await response.json<JobBatchView>();
    expect(parts.map((part) => ('error' in part ? part.error.code : part.job.status))).toEqual([
      'queued',
      'content_blocked',
      'queued',
    ]);
  });

  it('a job shows and runs its prompt without tags; one of tags alone is refused', async () => {
    const world = new HttpWorld();
    const agent = await world.newAgent();
    const { api_key } = await world.newAccount();
    const prompt = 'a cat <lora:x:1> of {wool|silk}';
    const sent = await world.post('/v1/jobs', api_key, { ...PAINTING, prompt });
    const { parameters } = await sent.json<JobView>();
    expect(parameters['prompt']).toBe('a cat of wool, silk');
    expect((await agent.take()).spec).toMatchObject({ prompt: 'a cat of wool, silk' });
    const empty = await world.post('/v1/jobs', api_key, { ...PAINTING, prompt: '<lora:x:1>' });
    expect((await expectError(empty, 'invalid_request')).message).toContain('prompt has nothing');
  });
});
