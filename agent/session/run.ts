/**
 * A run has the engine: it begins with the waiting leases of one grant, as many as the engine
 * takes at once, is watched by its progress, and is over when the part of each has ended. What
 * becomes of a lease then is told to the edge; the others of its run go on.
 * These functions change the turn's own copy of the state and add actions.
 */
import type { ModelId } from '#schema/model.ts';
import { AGENT_MODELS_MAX, ENGINE_ERROR_CHARS_MAX } from '#schema/limits.ts';
import { foretold } from './forecast.ts';
import { conclude, log } from './lease.ts';
import { backoffMs, smooth } from './pace.ts';
import type { Lease, Run, RunOutcome, Session, StartedJob, Turn } from './state.ts';

/** Gives the engine, which must be free, to a waiting lease and to others of its grant. */
export function start(turn: Turn, first: Lease): void {
  const { state, at } = turn;
  const model = first.spec?.model;
  if (model === undefined) return;
  const together = state.leases
    .filter(({ phase, batch }) => phase === 'waiting' && batch === first.batch)
    .filter(({ spec }) => spec?.model === model)
    .slice(0, batchMaxOf(state, model));
  const jobs = together.flatMap(({ id, grant, spec }): StartedJob[] =>
    spec ? [{ lease: id, grant, spec }] : [],
  );
  const resident = state.resident.includes(model);
  state.run = {
    model,
    jobs: jobs.length,
    leases: jobs.map(({ lease }) => lease),
    servedFrom: resident ? at : null,
    first: null,
    last: null,
  };
  turn.actions.push({ do: 'start', jobs });
  for (const lease of together) {
    lease.phase = 'running';
    lease.startedAt = at;
    lease.spec = null;
  }
  const idle = { idleMs: at - state.freeAt, starvedMs: starvedMs(first, state, at) };
  for (const lease of together) {
    const batch = { batch: jobs.length };
    log(turn, lease, ['job.start', lease === first ? { ...idle, ...batch } : batch]);
  }
}

/** Time that the engine stood still although this job was to be had: the network's share. */
function starvedMs({ hadFrom }: Lease, { freeAt }: Session, at: number): number {
  return hadFrom === null ? 0 : at - Math.max(freeAt, hadFrom);
}

/** How many jobs of a model run at once here, whichever engine takes them. */
function batchMaxOf(state: Session, model: ModelId): number {
  const able = state.capabilities.engines.filter(({ models }) => models.includes(model));
  return able.length === 0 ? 1 : Math.min(...able.map(({ batchMax }) => batchMax));
}

/** Takes note of how far a run is, for the prediction of its end. */
export function watch(turn: Turn, lease: Lease): void {
  const { state, at } = turn;
  const { run } = state;
  if (!run?.leases.includes(lease.id) || lease.progress?.stage === 'loading') return;
  const mark = { at, done: doneOf(state, run) };
  const servedFrom = run.servedFrom ?? at;
  state.run = { ...run, servedFrom, first: run.first ?? mark, last: mark };
}

/** Share of the whole run; a lease that is gone has nothing left to be waited for. */
function doneOf(state: Session, run: Run): number {
  const going = state.leases.filter(({ id }) => run.leases.includes(id));
  const done = going.reduce((sum, { progress }) => {
    return sum + (progress && progress.stage !== 'loading' ? progress.fraction : 0);
  }, run.jobs - going.length);
  return done / run.jobs;
}

/** The part that a lease had in a run is over. */
export function endRun(turn: Turn, id: number, outcome: RunOutcome): void {
  const { state, at } = turn;
  const run = state.run?.leases.includes(id) ? state.run : null;
  const leases = run?.leases.filter((other) => other !== id) ?? [];
  if (run) {
    state.run = leases.length === 0 ? null : { ...run, leases };
    if (!state.run) state.freeAt = at;
  }
  const lease = state.leases.find((other) => other.id === id);
  if (!lease || (lease.phase !== 'running' && lease.phase !== 'stopping')) return;
  lease.runEndedAt = at;
  lease.loadMs = outcome.kind === 'done' ? outcome.loadMs : 0;
  // Its share: jobs may run in turn or at once, and each is told of as it ends.
  const jobsDone = run ? doneOf(state, { ...run, leases }) * run.jobs : 1;
  lease.serviceMs = Math.max(0, at - (lease.startedAt ?? at) - lease.loadMs) / jobsDone;
  if (outcome.kind === 'done') {
    lease.usage = outcome.usage;
    state.awayRuns = 0;
    if (run && !state.run) learn(turn, run, lease.serviceMs);
  }
  concludeRun(turn, lease, outcome);
}

function concludeRun(turn: Turn, lease: Lease, outcome: RunOutcome): void {
  if (lease.stopFor === 'cancelled') {
    conclude(lease, { verb: 'return', reason: 'cancelled' });
  } else if (outcome.kind === 'done') {
    conclude(lease, { verb: 'complete', artifacts: outcome.delivers ? null : [] });
  } else if (lease.stopFor === 'timeout') {
    const detail = `stopped after ${lease.grant.runMsMax} ms`;
    conclude(lease, { verb: 'fail', code: 'job_timeout', retryable: false, detail });
  } else if (outcome.kind === 'stopped') {
    conclude(lease, { verb: 'return', reason: 'drain' });
  } else if (outcome.code === 'engine_unavailable') {
    // The job is not at fault: it goes back uncounted, and we ask for none we cannot run.
    askEngines(turn);
    conclude(lease, { verb: 'return', reason: 'engine_away' });
  } else {
    const { code, retryable } = outcome;
    const detail = outcome.detail.slice(0, ENGINE_ERROR_CHARS_MAX);
    conclude(lease, { verb: 'fail', code, retryable, detail });
  }
}

/** Once for all leases of a run. */
function askEngines(turn: Turn): void {
  const { state, at } = turn;
  if (state.discovering) return;
  state.discovering = true;
  state.awayRuns++;
  state.pace.acquire.notBefore = at + backoffMs(state.awayRuns, turn.random);
  turn.actions.push({ do: 'discover' });
}

function learn({ state, at }: Turn, run: Run, newestMs: number): void {
  const { model } = run;
  const before = state.learned[model];
  const told = foretold(run);
  const stretch = told && told.ms > 0 ? (at - told.from) / told.ms : (before?.stretch ?? 1);
  const newest = {
    ms: smooth(before?.ms, newestMs),
    stretch: smooth(before?.stretch, stretch),
  };
  const others = Object.entries(state.learned).filter(([name]) => name !== model);
  const kept = others.slice(-(AGENT_MODELS_MAX - 1));
  state.learned = Object.fromEntries([...kept, [model, newest]]);
}
