/**
 * Adds to granted jobs what the Scheduler cannot know: the ticket for their uploads, and where
 * their input files are fetched. A file that has expired meanwhile is left out; the agent then
 * says so of the job.
 */
import type { AcquireAnswer, InputFile, LeasedJob } from '#schema/agent-protocol.ts';
import type { Env } from '../env.ts';
import { signMedia, signTicket } from '../io/token.ts';
import type { AgentCredential } from '../rpc/scheduler.ts';
import { filesOf } from './check-files.ts';
import { lendFile } from './find-file.ts';

/** The answer with each of its jobs ready to be run. */
export async function completeLeases(
  env: Env,
  { agent, answer }: { agent: AgentCredential; answer: AcquireAnswer },
  now: number,
): Promise<AcquireAnswer> {
  const { job, batch } = answer;
  if (!job) return answer;
  const complete = async (leased: LeasedJob): Promise<LeasedJob> => {
    const { jobId, fencingToken } = leased;
    const claim = { jobId, fencingToken, secretHash: agent.secretHash };
    const [uploadTicket, inputs] = await Promise.all([
      signTicket(env.signingKey, claim, now),
      lendInputs(env, leased, now),
    ]);
    return { ...leased, uploadTicket, inputs };
  };
  return { ...answer, job: await complete(job), batch: await Promise.all(batch.map(complete)) };
}

async function lendInputs(env: Env, { spec }: LeasedJob, now: number): Promise<InputFile[]> {
  const ids = [...new Set(filesOf(spec).map(({ file }) => file))];
  const lent = await Promise.all(
    ids.map(async (fileId): Promise<InputFile[]> => {
      const found = await lendFile(env, fileId, now);
      if (!found) return [];
      const { contentType, bytes, sha256 } = found.file;
      const { path: url } = await signMedia(env.signingKey, found.key, now);
      return [{ fileId, contentType, bytes, sha256, url }];
    }),
  );
  return lent.flat();
}
