/** Asking ahead: when, how often, and what becomes of a job that came early. */
import { describe, expect, it } from 'vitest';
import { DRAIN_MS, POLL_MS, SPOOL_JOBS_MAX } from '#schema/limits.ts';
import type { Bench } from '../doubles/session-bench.ts';
import {
  idle,
  JOB_A,
  JOB_B,
  leased,
  NOTHING,
  REF_A,
  running,
  UNREACHABLE,
  WORDS,
} from '../doubles/session-bench.ts';
import { ASK_AHEAD_MS_MAX, ASK_AHEAD_MS_MIN, ASK_SLACK_MS, LENT_ASK_MS } from '../limits.ts';
import type { SessionAction } from '../session.ts';

const JOB_C = 'job_01000000000000000000000003_main';

/** Tells how far a lease is, `fraction` of it. */
function told(bench: Bench, fraction: number, lease = bench.lease()): Bench {
  const progress = { fraction, stage: 'running' as const, step: null, steps: null };
  return bench.feed({ type: 'progressed', lease, progress, preview: null, usage: {} });
}

/** A run that says at half of its time that it takes 10 s; the time is 5 s before its end. */
function halfway(): Bench {
  const bench = told(running(), 0);
  bench.pass(5000);
  return told(bench, 0.5);
}

function acquires(actions: readonly SessionAction[]) {
  return actions.filter((action) => action.do === 'call' && action.verb === 'acquire');
}

const granted = (jobId: string) => ({ job: leased(jobId), batch: [], drain: false });

describe('the next job', () => {
  it('is not asked for before anything tells when the run ends', () => {
    const bench = running().pass(20_000);
    expect(bench.calls('acquire')).toEqual([]);
  });

  it('is asked for as late as two round trips allow, by the progress of the run', () => {
    const bench = halfway();
    const endsAt = bench.now + 5000;
    bench.pass(5000 - ASK_AHEAD_MS_MIN - 1);
    expect(bench.calls('acquire')).toEqual([]);
    bench.pass(1);
    expect(bench.body('acquire')).toMatchObject({
      busyMs: endsAt - bench.now,
      waitMs: endsAt - bench.now + ASK_SLACK_MS,
      holding: [REF_A],
    });
  });

  it('is not asked for earlier because a poll was parked', () => {
    const bench = idle();
    bench.now += 20_000;
    bench.answer('acquire', granted(JOB_A));
    told(bench, 0).pass(5000);
    told(bench, 0.5).pass(5000 - ASK_AHEAD_MS_MIN - 1);
    expect(bench.calls('acquire')).toEqual([]);
  });

  it('is asked for earlier over a slow network, within a bound', () => {
    const bench = halfway().pass(1000);
    // The heartbeat that tells of the progress takes long.
    expect(bench.calls('renew')).toHaveLength(1);
    bench.now += 1500;
    bench.answer('renew', { ...WORDS, held: [REF_A] });
    expect(bench.state.roundTrip?.ms).toBeGreaterThan(400);
    const early = bench.pass(5000 - 2500 - ASK_AHEAD_MS_MIN);
    expect(acquires(early.all)).toHaveLength(2);
    // One call was quick and one took 1.5 s: two of a mean length would not be safe.
    expect(bench.body('acquire').busyMs).toBe(ASK_AHEAD_MS_MAX);
  });

  it('is asked for by what jobs of the model took before, when the engine tells nothing', () => {
    const bench = idle();
    const health = bench.state.health;
    bench.feed({ type: 'observed', resident: ['painter'], health });
    bench.answer('acquire', granted(JOB_A)).pass(4000).done();
    bench.answer('acquire', granted(JOB_B));
    const before = acquires(bench.all).length;
    // `done` says that 10 ms of it were loading.
    bench.pass(3990 - ASK_AHEAD_MS_MIN - 1);
    expect(acquires(bench.all)).toHaveLength(before);
    bench.pass(1);
    expect(acquires(bench.all)).toHaveLength(before + 1);
  });

  it('is asked for by that too when the model had to be loaded, from its first word on', () => {
    const bench = running().pass(4000).done();
    bench.answer('acquire', granted(JOB_B));
    const lease = bench.lease(1);
    bench.pass(6000);
    expect(bench.calls('acquire')).toEqual([]);
    told(bench, 0, lease).pass(1000);
    told(bench, 0, lease).pass(2990 - ASK_AHEAD_MS_MIN - 1);
    expect(bench.calls('acquire')).toEqual([]);
    bench.pass(1);
    expect(bench.calls('acquire')).toHaveLength(1);
  });

  it.each([
    ['ends sooner than its progress foretells, as a text does', 2000],
    ['goes on after all steps are done, as a picture that is saved', 12_000],
  ])('is asked for in time by a model that %s', (_, tookMs) => {
    // Every run of it tells after a second that it would take ten.
    const run = (bench: Bench, lease: number) => {
      told(bench, 0, lease).pass(1000);
      return told(bench, 0.1, lease);
    };
    const bench = running();
    run(bench, bench.lease()).now += tookMs - 1000;
    bench.done();
    const second = bench.answer('acquire', granted(JOB_B)).lease(1);
    const startedAt = bench.now;
    run(bench, second).pass(tookMs);
    const ask = bench.calls('acquire')[0]!;
    expect(ask.sentAt).toBe(startedAt + tookMs - ASK_AHEAD_MS_MIN);
  });

  it('waits for the engine and starts in the very turn in which the run ends', () => {
    const bench = halfway().pass(4900).answer('acquire', granted(JOB_B));
    expect(bench.doing()).not.toContain('start');
    expect(bench.state.leases.map(({ phase }) => phase)).toEqual(['running', 'waiting']);
    bench.pass(100).done();
    expect(bench.doing()).toEqual(['start', 'upload']);
    const started = bench.last.find((action) => action.do === 'log' && action.op === 'job.start');
    expect(started).toMatchObject({ fields: { idleMs: 0, starvedMs: 0, batch: 1 } });
  });

  it('is the only one that waits: nothing more is asked for', () => {
    const bench = halfway().pass(4900).answer('acquire', granted(JOB_B));
    const before = acquires(bench.all).length;
    bench.pass(2000);
    expect(acquires(bench.all)).toHaveLength(before);
  });

  it.each(['cancelled', 'failed'] as const)('starts at once when the run %s', (how) => {
    const bench = halfway().pass(4900).answer('acquire', granted(JOB_B));
    const lease = bench.lease();
    if (how === 'cancelled') bench.answer('control', { ...WORDS, cancel: [REF_A] });
    const failure = { code: 'job_failed', retryable: true, detail: '' } as const;
    const stopped = { kind: 'stopped' } as const;
    const outcome = how === 'cancelled' ? stopped : { kind: 'failed' as const, ...failure };
    bench.feed({ type: 'run_ended', lease, outcome });
    expect(bench.doing()).toEqual(['start', how === 'cancelled' ? 'return' : 'fail']);
  });

  it('is not asked for ahead of a run that is being stopped: its end asks', () => {
    const bench = halfway()
      .answer('control', { ...WORDS, cancel: [REF_A] })
      .pass(6000);
    expect(bench.calls('acquire')).toEqual([]);
    bench.feed({ type: 'run_ended', lease: bench.lease(), outcome: { kind: 'stopped' } });
    expect(bench.body('return').next).toMatchObject({ busyMs: 0 });
  });

  it('goes back uncounted when the agent is drained', () => {
    const bench = halfway().pass(4900).answer('acquire', granted(JOB_B)).feed({ type: 'drain' });
    expect(bench.body('return')).toMatchObject({ lease: { jobId: JOB_B }, reason: 'drain' });
    bench.pass(DRAIN_MS - 1);
    expect(bench.doing()).not.toContain('start');
  });

  it('is found by the plain ask when the run ended sooner than it was thought to', () => {
    const bench = halfway().pass(1000).done();
    expect(bench.doing()).toEqual(['upload', 'acquire']);
    expect(bench.body('acquire')).toMatchObject({ busyMs: 0, waitMs: POLL_MS });
  });
});

describe('an ask that was made ahead', () => {
  it('brings a job after the run too, and is made anew when it ends with nothing', () => {
    const bench = halfway().pass(4900);
    const ask = bench.calls('acquire')[0]!;
    bench.pass(100).done().pass(ASK_SLACK_MS);
    expect(bench.calls('acquire')).toEqual([ask]);
    bench.answer('acquire', NOTHING).pass(0);
    expect(bench.body('acquire')).toMatchObject({ busyMs: 0, waitMs: POLL_MS });
  });

  it('is repeated ever more seldom while a run goes on past its end', () => {
    const bench = halfway();
    const before = acquires(bench.all).length;
    for (let ms = 0; ms < 305_000; ms += 100) {
      bench.pass(100);
      for (const call of bench.calls('renew')) {
        bench.feed({
          type: 'answered',
          id: call.id,
          verb: 'renew',
          answer: { ...WORDS, held: [REF_A] },
        });
      }
      const [ask] = bench.calls('acquire');
      const { waitMs } = bench.body('acquire');
      if (ask && bench.now >= ask.sentAt + waitMs) bench.answer('acquire', NOTHING);
    }
    expect(acquires(bench.all).length - before).toBeLessThan(20);
  });

  it('is not made while results for the spool leave no room', () => {
    const bench = running();
    const failure = { ok: false, failure: UNREACHABLE } as const;
    for (let number = 1; number <= SPOOL_JOBS_MAX; number++) {
      expect(bench.state.run).not.toBeNull();
      const lease = bench.state.leases.at(-1)!.id;
      bench.done(lease).uploaded(failure, lease);
      const jobId = JOB_A.replace(/\d_/, `_`).replace('_main', `${number % 10}_main`);
      if (number < SPOOL_JOBS_MAX)
        bench.answer('acquire', granted(jobId.replace('01', String(10 + number))));
    }
    expect(bench.state.leases).toHaveLength(SPOOL_JOBS_MAX);
    expect(bench.calls('acquire')).toEqual([]);
  });
});

describe('an engine that several sessions share', () => {
  it('is not used while it is lent, and at once when it is given', () => {
    const bench = idle().feed({ type: 'lent', lent: { freeAt: null } });
    bench.answer('acquire', granted(JOB_A));
    expect(bench.doing()).toEqual(['control']);
    bench.pass(1000).feed({ type: 'lent', lent: null });
    expect(bench.doing()).toEqual(['start']);
  });

  it('lets an idle ask go once it is parked: the edge takes that agent for free', () => {
    const bench = idle().feed({ type: 'lent', lent: { freeAt: null } });
    bench.pass(LENT_ASK_MS - 1);
    expect(bench.calls('acquire')).toHaveLength(1);
    expect(bench.pass(1).doing()).toEqual(['abort_call']);
    expect(bench.pass(60_000).doing()).toEqual([]);
  });

  it('is asked for ahead of the end of the other one’s run', () => {
    const bench = idle()
      .feed({ type: 'lent', lent: { freeAt: null } })
      .pass(LENT_ASK_MS);
    bench.feed({ type: 'lent', lent: { freeAt: bench.now + 5000 } });
    bench.pass(5000 - ASK_AHEAD_MS_MIN);
    expect(bench.body('acquire')).toMatchObject({ busyMs: ASK_AHEAD_MS_MIN });
    bench.answer('acquire', granted(JOB_C)).pass(ASK_AHEAD_MS_MIN);
    expect(bench.feed({ type: 'lent', lent: null }).doing()).toEqual(['start']);
  });
});

it('time in which the engine stood still is told apart: a job was to be had, or none was', () => {
  const starts = (bench: Bench) =>
    bench.all.flatMap((action) =>
      action.do === 'log' && action.op === 'job.start' ? [action.fields] : [],
    );
  const bench = running().pass(1000).done();
  bench.now += 150;
  bench.answer('acquire', granted(JOB_B));
  expect(starts(bench).at(-1)).toMatchObject({ idleMs: 150, starvedMs: 150 });
  bench.pass(1000).done(bench.lease(1));
  bench.now += 20_000;
  bench.answer('acquire', granted(JOB_C));
  expect(starts(bench).at(-1)).toMatchObject({ idleMs: 20_000, starvedMs: 0 });
});

it('time in which the engine was another session’s is not idle', () => {
  const bench = idle().feed({ type: 'lent', lent: { freeAt: null } });
  bench.answer('acquire', granted(JOB_A)).pass(5000).feed({ type: 'lent', lent: null });
  const started = bench.last.find((action) => action.do === 'log' && action.op === 'job.start');
  expect(started).toMatchObject({ fields: { idleMs: 0, starvedMs: 0 } });
});
