/** What a pool can run now, asked of its Scheduler at most every SURVEY_MS by one isolate. */
import type { PoolId } from '#schema/id.ts';
import type { Env } from '../env.ts';
import type { PoolSurvey } from '../rpc/scheduler.ts';
import { logWarn } from '../io/log.ts';

/** An agent that came or went shows after this time. */
const SURVEY_MS = 5000;

const KNOWN = new WeakMap<Env, Map<PoolId, { at: number; survey: PoolSurvey }>>();

/** The survey, or null while the Scheduler is away. */
export async function surveyPool(env: Env, pool: PoolId, now: number): Promise<PoolSurvey | null> {
  const surveys = KNOWN.get(env) ?? new Map<PoolId, { at: number; survey: PoolSurvey }>();
  KNOWN.set(env, surveys);
  const known = surveys.get(pool);
  if (known && now - known.at < SURVEY_MS) return known.survey;
  try {
    const survey = await env.schedulers.getByName(pool).survey();
    surveys.set(pool, { at: now, survey });
    return survey;
  } catch (error) {
    logWarn('pool.survey', { pool, message: String(error) });
    return null;
  }
}
