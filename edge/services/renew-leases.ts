/** An agent's heartbeat: extends leases, and passes progress on to those who follow the jobs. */
import type { RenewAnswer, RenewBody } from '#schema/agent-protocol.ts';
import type { Result } from '../core/result.ts';
import { ok } from '../core/result.ts';
import type { Env } from '../env.ts';
import type { FeedObject } from '../rpc/feed.ts';
import type { AgentRefusal } from '../rpc/scheduler.ts';
import { logWarn } from '../io/log.ts';
import type { AgentCaller } from './authenticate.ts';

export interface Renewed {
  readonly answer: Result<RenewAnswer, AgentRefusal>;
  /** Settles when all who follow have the progress; never rejects. The agent need not wait for it. */
  readonly passedOn: Promise<void>;
}

export async function renewLeases(
  env: Env,
  { pool, agent }: AgentCaller,
  body: RenewBody,
): Promise<Renewed> {
  const renewed = await env.schedulers.getByName(pool).renew(agent, body);
  if (!renewed.ok) return { answer: renewed, passedOn: Promise.resolve() };
  const { watched, chats, ...answer } = renewed.value;
  const news = new Map(body.leases.map((lease) => [lease.jobId, lease]));
  const told = [
    ...watched.map((jobId) => passOn(news.get(jobId), env.feeds.getByName(jobId))),
    ...chats.map(({ jobId, courier }) =>
      passOn(news.get(jobId), {
        progress: (progress, preview) =>
          env.botCouriers.getByName(courier).progress(jobId, progress, preview),
      }),
    ),
  ];
  return { answer: ok(answer), passedOn: Promise.all(told).then(() => undefined) };
}

type Lease = RenewBody['leases'][number];

async function passOn(lease: Lease | undefined, to: Pick<FeedObject, 'progress'>): Promise<void> {
  if (!lease?.progress) return;
  try {
    await to.progress(lease.progress, lease.preview);
  } catch (error) {
    // Progress replaces itself: the next heartbeat brings newer.
    logWarn('job.progress', { job_id: lease.jobId, message: String(error) });
  }
}
