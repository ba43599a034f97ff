/**
 * Cancels a job whose client has gone away, since nobody will fetch what it makes. A client that
 * sent an idempotency key will come back for the same job, which so outlives the connection.
 */
import type { Env } from '../../env.ts';
import { logWarn } from '../../io/log.ts';
import { cancelJob } from '../cancel-job.ts';
import type { JobOwner } from '../find-job.ts';

/** Whoever waits for an answer, on one connection. */
export interface Client {
  /** Aborted when it goes away before it was answered. */
  readonly signal: AbortSignal;
  /** It may come back for the same job. */
  readonly returns: boolean;
  /** Keeps the Worker alive for what is done after the request. */
  readonly waitUntil: (work: Promise<unknown>) => void;
}

/** May be called for a job that has ended: it stays as it ended. */
export function abandonJob(env: Env, client: Client, owner: JobOwner): void {
  if (client.returns) return;
  const cancelling = cancelJob(env, owner).catch((error: unknown) =>
    logWarn('job.abandon', { job_id: owner.jobId, message: String(error) }),
  );
  client.waitUntil(cancelling);
}
