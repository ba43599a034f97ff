/** Ends an attempt: complete, fail or return. The next job in the answer is made complete. */
import type { CompleteBody, EndAnswer, FailBody, ReturnBody } from '#schema/agent-protocol.ts';
import { artifactKey, ContentType } from '#schema/artifact.ts';
import type { Result } from '../core/result.ts';
import { fail, ok } from '../core/result.ts';
import type { Env } from '../env.ts';
import type { AgentRefusal } from '../rpc/scheduler.ts';
import type { AgentCaller } from './authenticate.ts';
import { completeLeases } from './complete-leases.ts';

export type AttemptEnd =
  | { readonly how: 'complete'; readonly body: CompleteBody }
  | { readonly how: 'fail'; readonly body: FailBody }
  | { readonly how: 'return'; readonly body: ReturnBody };

/** A result that this attempt cannot have uploaded. */
export interface ForeignArtifact {
  readonly reason: 'foreign_artifact';
  readonly field: string;
  readonly key: string;
}

/** May be repeated: an attempt that has ended answers `lease_lost`, or as before. */
export async function endAttempt(
  env: Env,
  caller: AgentCaller,
  end: AttemptEnd,
): Promise<Result<EndAnswer, AgentRefusal | ForeignArtifact>> {
  const { agent } = caller;
  const foreign = end.how === 'complete' ? findForeign(end.body) : null;
  if (foreign) return fail(foreign);
  const ended = await callScheduler(env, caller, end);
  if (!ended.ok || !ended.value.next) return ended;
  const next = await completeLeases(env, { agent, answer: ended.value.next }, Date.now());
  return ok({ ...ended.value, next });
}

async function callScheduler(env: Env, { pool, agent }: AgentCaller, end: AttemptEnd) {
  const scheduler = env.schedulers.getByName(pool);
  switch (end.how) {
    case 'complete':
      return scheduler.complete(agent, end.body);
    case 'fail':
      return scheduler.fail(agent, end.body);
    case 'return':
      return scheduler.return(agent, end.body);
  }
}

/** Keys are made by rule, so one of another job or attempt is seen without a look into R2. */
function findForeign({ lease, artifacts }: CompleteBody): ForeignArtifact | null {
  for (const [place, { index, key, contentType, thumbnailKey }] of artifacts.entries()) {
    const own = artifactKey({ ...lease, index, role: 'result', contentType });
    if (key !== own) return { reason: 'foreign_artifact', field: `artifacts[${place}].key`, key };
    if (thumbnailKey !== null && !isThumbnail(thumbnailKey, { ...lease, index })) {
      const field = `artifacts[${place}].thumbnailKey`;
      return { reason: 'foreign_artifact', field, key: thumbnailKey };
    }
  }
  return null;
}

function isThumbnail(
  key: string,
  file: { jobId: string; fencingToken: number; index: number },
): boolean {
  return ContentType.options.some(
    (contentType) => key === artifactKey({ ...file, role: 'thumbnail', contentType }),
  );
}
