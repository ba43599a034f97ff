/** The words of a job, to fill a form with: at once or not at all, since Discord waits for it. */
import type { Env } from '../../env.ts';
import { findJob } from '../../services/find-job.ts';
import { meetUser } from '../../services/meet-user.ts';
import type { ChatUser } from '../../services/meet-user.ts';
import { wordsOf } from '../reply/format.ts';

/** Of Discord's three seconds. */
const WAIT_MS = 1500;

/** `foreign`: the job is not this user's; `words` is empty when they were not found in time. */
export async function findWords(
  env: Env,
  { user, jobId, requestId }: { user: ChatUser; jobId: string; requestId: string },
): Promise<{ foreign: boolean; words: string }> {
  const unknown = { foreign: false, words: '' };
  const find = async () => {
    const { credential } = await meetUser(env, user, requestId);
    const found = await findJob(env, { jobId, accountId: credential.accountId });
    if (found.ok) return { foreign: false, words: wordsOf(found.value.record.spec) ?? '' };
    return { ...unknown, foreign: found.error.reason === 'job_not_found' };
  };
  const late = scheduler.wait(WAIT_MS).then(() => unknown);
  // A form without its old words still does; what is wrong shows when it is sent.
  return Promise.race([find().catch(() => unknown), late]);
}
