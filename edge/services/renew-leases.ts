/** An agent's heartbeat: extends leases, and passes progress on to the feeds that someone reads. */
import type { RenewAnswer, RenewBody } from '#schema/agent-protocol.ts';
import type { Result } from '../core/result.ts';
import { ok } from '../core/result.ts';
import type { AgentRefusal, Env } from '../env.ts';
import { logWarn } from '../io/log.ts';
import type { AgentCaller } from './authenticate.ts';

export interface Renewed {
  readonly answer: Result<RenewAnswer, AgentRefusal>;
  /** Settles when the feeds have the progress; never rejects. The agent need not wait for it. */
  readonly passedOn: Promise<void>;
}

export async function renewLeases(
  env: Env,
  { pool, agent }: AgentCaller,
  body: RenewBody,
): Promise<Renewed> {
  const renewed = await env.schedulers.getByName(pool).renew(agent, body);
  if (!renewed.ok) return { answer: renewed, passedOn: Promise.resolve() };
  const { watched, ...answer } = renewed.value;
  const held = new Set(answer.held.map(({ jobId }) => jobId));
  const news = body.leases.filter(({ jobId }) => watched.includes(jobId) && held.has(jobId));
  return { answer: ok(answer), passedOn: passOn(env, news) };
}

async function passOn(env: Env, news: RenewBody['leases']): Promise<void> {
  await Promise.all(
    news.map(async ({ jobId, progress, preview }) => {
      if (!progress) return;
      try {
        await env.feeds.getByName(jobId).progress(progress, preview);
      } catch (error) {
        // Progress replaces itself: the next heartbeat brings newer.
        logWarn('feed.progress', { job_id: jobId, message: String(error) });
      }
    }),
  );
}
