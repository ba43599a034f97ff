/**
 * How the service stands: each dependency asked, at most every HEALTH_MS by one isolate.
 * Only the answer is kept between requests: a promise belongs to the request that made it.
 */
import { sql } from 'drizzle-orm';
import type { HealthView } from '#schema/api.ts';
import type { Env } from '../env.ts';
import type { PoolSurvey } from '../rpc/scheduler.ts';
import { openDb } from '../io/db.ts';
import { logWarn } from '../io/log.ts';

export const VERSION = '0.1.0';
const HEALTH_MS = 3000;
/** A dependency slower than this is down for whoever watches. */
const CHECK_MS = 2000;

/** `askedAt`: who asks while another already does gets the answer before. */
const KNOWN = new WeakMap<Env, { askedAt: number; view: HealthView | null }>();

/** Never throws: what does not answer is `down`, and the whole is `degraded`. */
export async function checkHealth(env: Env, now: number): Promise<HealthView> {
  const known = KNOWN.get(env);
  if (known?.view && now - known.askedAt < HEALTH_MS) return known.view;
  KNOWN.set(env, { askedAt: now, view: known?.view ?? null });
  const [surveys, database, storage] = await Promise.all([
    ask('scheduler', () =>
      Promise.all(env.pools.map((pool) => env.schedulers.getByName(pool).survey())),
    ),
    ask('database', () => openDb(env, (db) => db.execute(sql`select 1`), CHECK_MS)),
    ask('storage', () => env.artifacts.head('health')),
  ]);
  const agents = countAgents(surveys.answer ?? []);
  const up = surveys.up && database.up && storage.up;
  const view: HealthView = {
    status: up ? 'ok' : 'degraded',
    version: VERSION,
    dependencies: {
      scheduler: toWord(surveys.up),
      database: toWord(database.up),
      storage: toWord(storage.up),
    },
    agents,
  };
  KNOWN.set(env, { askedAt: now, view });
  return view;
}

async function ask<T>(
  name: string,
  question: () => Promise<T>,
): Promise<{ up: boolean; answer: T | null }> {
  let timer: ReturnType<typeof setTimeout> | null = null;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${CHECK_MS} ms`)), CHECK_MS);
  });
  try {
    return { up: true, answer: await Promise.race([question(), timeout]) };
  } catch (error) {
    logWarn('health.check', { dependency: name, message: String(error) });
    return { up: false, answer: null };
  } finally {
    clearTimeout(timer);
  }
}

function countAgents(surveys: readonly PoolSurvey[]): { online: number; known: number } {
  return {
    online: surveys.reduce((sum, { agentsOnline }) => sum + agentsOnline, 0),
    known: surveys.reduce((sum, { agentsKnown }) => sum + agentsKnown, 0),
  };
}

function toWord(up: boolean): 'ok' | 'down' {
  return up ? 'ok' : 'down';
}
