/** The session's rules, turn by turn. The laws under faults are in session-laws.test.ts. */
import { describe, expect, it } from 'vitest';
import {
  BACKOFF_MS_MAX,
  BACKOFF_MS_MIN,
  DRAIN_MS,
  HEARTBEAT_MS,
  LEASE_MS,
  POLL_MS,
  PROGRESS_MS,
  UPLOAD_TICKET_MS,
} from '#schema/limits.ts';
import {
  Bench,
  idle,
  JOB_A,
  JOB_B,
  leased,
  NOTHING,
  REF_A,
  refused,
  running,
  UNREACHABLE,
  WORDS,
} from './doubles/session-bench.ts';
import { LEASE_RETRY_MS_MAX, LEAVE_MS } from './limits.ts';
import { wakeAt } from './session.ts';

const PREVIEW = { content_type: 'image/png' as const, data: 'AAAA' };

describe('registering', () => {
  it('registers first, and then asks for a job by exactly one parked request', () => {
    const bench = new Bench().feed({ type: 'tick' });
    expect(bench.doing()).toEqual(['register']);
    bench.register();
    expect(bench.doing()).toEqual(['acquire']);
    expect(bench.body('acquire')).toMatchObject({ holding: [], waitMs: POLL_MS });
    expect(bench.calls()).toHaveLength(1);
  });

  it('polls again at once after a poll that brought nothing', () => {
    const bench = idle();
    bench.now += POLL_MS;
    expect(bench.answer('acquire', NOTHING).doing()).toEqual(['acquire']);
  });

  it('does not spin when polls are answered without being parked', () => {
    const bench = idle().answer('acquire', NOTHING);
    expect(bench.calls()).toEqual([]);
    expect(wakeAt(bench.state)).toBe(bench.now + BACKOFF_MS_MIN);
  });

  it('sends nothing while idle but the poll', () => {
    expect(
      idle()
        .pass(10 * LEASE_MS)
        .all.filter((action) => action.do === 'call'),
    ).toHaveLength(2);
  });

  it('registers again under the same session id, with what it holds, when it is forgotten', () => {
    const bench = running();
    const before = bench.body('register').sessionId;
    bench.refuse('control', refused('not_registered')).pass(BACKOFF_MS_MIN);
    expect(bench.body('register')).toMatchObject({ sessionId: before, holding: [REF_A] });
  });

  it('registers again when the engines have changed', () => {
    const bench = idle();
    const engines = [{ engine: 'painter', version: '1', models: ['painter'], batchMax: 1 }];
    const capabilities = { gpu: null, engines };
    bench.feed({ type: 'discovered', capabilities }).pass(BACKOFF_MS_MIN);
    expect(bench.body('register').capabilities).toEqual(capabilities);
    bench.register().feed({ type: 'discovered', capabilities });
    expect(bench.calls('register')).toEqual([]);
  });

  it('backs off with jitter up to the limit while the edge is away', () => {
    const bench = new Bench().feed({ type: 'tick' });
    const pauses: number[] = [];
    for (let n = 0; n < 9; n++) {
      bench.refuse('register', UNREACHABLE);
      pauses.push(wakeAt(bench.state)! - bench.now);
      bench.pass(pauses.at(-1)!);
    }
    expect(pauses.slice(0, 3)).toEqual([BACKOFF_MS_MIN, BACKOFF_MS_MIN * 2, BACKOFF_MS_MIN * 4]);
    expect(pauses.at(-1)).toBe(BACKOFF_MS_MAX);
  });

  it('waits as long as Retry-After says', () => {
    const bench = idle().refuse('acquire', refused('rate_limited', 7000));
    expect(wakeAt(bench.state)).toBe(bench.now + 7000);
  });

  it('leaves with code 2 when its token is refused', () => {
    const bench = idle().refuse('acquire', refused('unauthorized'));
    expect(bench.last).toContainEqual({ do: 'exit', code: 2, reason: 'unauthorized' });
    expect(wakeAt(bench.state)).toBeNull();
  });
});

describe('a job', () => {
  it('is run as soon as it is granted, with the control poll parked', () => {
    expect(running().doing()).toEqual(['start', 'control']);
  });

  it('uploads its result while the next job is already asked for', () => {
    expect(running().done().doing()).toEqual(['upload', 'acquire']);
  });

  it('is completed after its upload, once, with its usage and timings', () => {
    const bench = running();
    bench.now += 3000;
    bench.done();
    bench.now += 500;
    bench.uploaded();
    expect(bench.doing()).toEqual(['complete']);
    expect(bench.body('complete')).toMatchObject({
      lease: REF_A,
      usage: { steps: 20 },
      timings: { loadMs: 10, serviceMs: 2990, uploadMs: 500 },
      next: null,
    });
    bench.answer('complete', { status: 'completed', next: null });
    expect(bench.doing()).toEqual(['drop', 'abort_call']);
    expect(bench.calls().map(({ verb }) => verb)).toEqual(['acquire']);
  });

  it('asks for the next job in the request that ends one without an upload', () => {
    const bench = running().done(undefined, false);
    expect(bench.doing()).toEqual(['complete']);
    expect(bench.body('complete').next).toEqual({ resident: [], busyMs: 0, holding: [] });
    bench.answer('complete', {
      status: 'completed',
      next: { job: leased(JOB_B), batch: [], drain: false },
    });
    expect(bench.doing()).toEqual(['drop', 'start']);
    expect(bench.calls().map(({ verb }) => verb)).toEqual(['control']);
  });

  it('runs the next job while the last one uploads, and names both as held', () => {
    const bench = running()
      .done()
      .answer('acquire', { job: leased(JOB_B), batch: [], drain: false });
    expect(bench.doing()).toEqual(['start']);
    bench.pass(HEARTBEAT_MS);
    expect(bench.body('renew').leases.map(({ jobId }) => jobId)).toEqual([JOB_A, JOB_B]);
    bench.done(bench.lease(1));
    // Undelivered results do not keep the engine from the next job.
    expect(bench.calls('acquire')).toHaveLength(1);
  });

  it.each([
    ['job_failed', true],
    ['engine_out_of_memory', true],
    ['engine_rejected', false],
  ] as const)('that fails with %s is reported, retryable %s', (code, retryable) => {
    const bench = running();
    const outcome = { kind: 'failed', code, retryable, detail: 'x'.repeat(5000) } as const;
    bench.feed({ type: 'run_ended', lease: bench.lease(), outcome });
    expect(bench.body('fail')).toMatchObject({ code, retryable, lease: REF_A });
    expect(bench.body('fail').detail).toHaveLength(2000);
  });

  it('goes back uncounted when its engine is away, and the engines are asked anew', () => {
    const bench = running();
    const outcome = {
      kind: 'failed',
      code: 'engine_unavailable',
      retryable: true,
      detail: '',
    } as const;
    bench.feed({ type: 'run_ended', lease: bench.lease(), outcome });
    expect(bench.doing()).toEqual(['discover', 'return']);
    expect(bench.body('return')).toMatchObject({ reason: 'engine_away', next: null });
    bench.answer('return', { status: 'queued', next: null }).pass(LEASE_MS);
    expect(bench.calls()).toEqual([]);
    bench.feed({ type: 'discovered', capabilities: bench.state.capabilities });
    expect(bench.doing()).toEqual(['acquire']);
  });

  it('that runs too long is stopped and fails with job_timeout', () => {
    const bench = running();
    for (let ms = 0; ms < 600_000; ms += HEARTBEAT_MS) {
      bench.pass(HEARTBEAT_MS);
      if (bench.calls('renew').length > 0) bench.answer('renew', { ...WORDS, held: [REF_A] });
    }
    expect(bench.all).toContainEqual({ do: 'stop', lease: bench.lease() });
    bench.feed({ type: 'run_ended', lease: bench.lease(), outcome: { kind: 'stopped' } });
    expect(bench.body('fail')).toMatchObject({ code: 'job_timeout', retryable: false });
  });
});

describe('heartbeats', () => {
  it('go out once an interval, counted from the sending of what confirmed the lease', () => {
    const bench = running().pass(HEARTBEAT_MS - 1);
    expect(bench.calls('renew')).toEqual([]);
    bench.pass(1);
    expect(bench.calls('renew')).toHaveLength(1);
    bench.answer('renew', { ...WORDS, held: [REF_A] }).pass(HEARTBEAT_MS - 1);
    expect(bench.calls('renew')).toEqual([]);
  });

  it('go out early with news, at most once in the interval of progress', () => {
    const bench = running();
    const progress = { fraction: 0.5, stage: 'running' as const, step: 10, steps: 20 };
    const news = { type: 'progressed', lease: bench.lease(), usage: { steps: 10 } } as const;
    bench.feed({ ...news, progress, preview: PREVIEW });
    expect(bench.body('renew').leases).toEqual([{ ...REF_A, progress, preview: PREVIEW }]);
    bench.answer('renew', { ...WORDS, held: [REF_A] });
    bench.feed({ ...news, progress: { ...progress, fraction: 0.6 }, preview: null });
    expect(bench.calls('renew')).toEqual([]);
    bench.pass(PROGRESS_MS);
    expect(bench.body('renew').leases).toMatchObject([
      { progress: { fraction: 0.6 }, preview: null },
    ]);
  });

  it('are tried often enough that an outage just shorter than the lease loses none', () => {
    const bench = running();
    while (bench.now < 1000 + LEASE_MS - LEASE_RETRY_MS_MAX - 100) {
      bench.pass(100);
      if (bench.calls('renew').length > 0) bench.refuse('renew', UNREACHABLE);
    }
    bench.pass(LEASE_RETRY_MS_MAX).answer('renew', { ...WORDS, held: [REF_A] });
    expect(bench.pass(LEASE_MS - LEASE_RETRY_MS_MAX - 1).ops()).not.toContain('job.lost');
  });
});

describe('a lost lease', () => {
  it('lapses by our own clock: the work is stopped and dropped, and nobody is told', () => {
    const bench = running().pass(LEASE_MS - 1);
    expect(bench.state.leases).toHaveLength(1);
    bench.pass(1);
    expect(bench.ops()).toContain('job.lost');
    expect(bench.doing()).toContain('drop');
    expect(bench.state.leases).toEqual([]);
    // The engine still holds the old run: no job is asked for before it has stopped.
    expect(bench.calls('acquire')).toEqual([]);
    bench.feed({ type: 'run_ended', lease: 2, outcome: { kind: 'stopped' } });
    const ended = bench.all.filter(
      (a) => a.do === 'call' && ['complete', 'fail', 'return'].includes(a.verb),
    );
    expect(ended).toEqual([]);
  });

  it('is noticed when the process wakes after a stop, before the result that came meanwhile', () => {
    const bench = running();
    const id = bench.lease();
    bench.now += LEASE_MS + 1;
    bench.done(id);
    expect(bench.ops()).toContain('job.lost');
    expect(bench.doing()).toContain('acquire');
    expect(bench.doing()).not.toContain('upload');
  });

  it('counts from the sending of the poll that got the job, not from its answer', () => {
    const bench = idle();
    bench.now += POLL_MS;
    bench
      .answer('acquire', { job: leased(JOB_A), batch: [], drain: false })
      .pass(LEASE_MS - POLL_MS);
    expect(bench.ops()).toContain('job.lost');
  });

  it('is not taken when its grant arrives after its time', () => {
    const bench = idle();
    bench.now += LEASE_MS;
    bench.answer('acquire', { job: leased(JOB_A), batch: [], drain: false });
    expect(bench.doing()).toEqual(['acquire']);
  });

  it.each(['renew', 'control'] as const)('is dropped on the word of %s', (verb) => {
    const bench = running().pass(HEARTBEAT_MS);
    if (verb === 'renew') bench.answer('renew', { ...WORDS, lost: [REF_A] });
    else bench.answer('control', { ...WORDS, lost: [REF_A] });
    expect(bench.ops()).toContain('job.lost');
    expect(bench.state.leases).toEqual([]);
  });

  it('that a newer token replaces is dropped, and the job is run anew when the engine is free', () => {
    const bench = running()
      .done()
      .answer('acquire', { job: leased(JOB_A, 2), batch: [], drain: false });
    expect(bench.ops()).toEqual(['job.lost', 'job.acquire', 'job.start']);
    expect(bench.doing()).toEqual(['drop', 'start']);
    expect(bench.state.leases.map(({ grant }) => grant.fencingToken)).toEqual([2]);
  });

  it('waits for the answer of a completion that is on its way', () => {
    const bench = running().done().uploaded().pass(HEARTBEAT_MS);
    bench.answer('renew', { ...WORDS, lost: [REF_A] });
    expect(bench.ops()).not.toContain('job.lost');
    bench.answer('complete', { status: 'completed', next: null });
    expect(bench.ops()).toContain('job.complete');
  });

  it('is not completed again once it was called lost, though that call had no answer', () => {
    const bench = running().done().uploaded().pass(HEARTBEAT_MS);
    bench.answer('renew', { ...WORDS, lost: [REF_A] }).refuse('complete', UNREACHABLE);
    expect(bench.ops()).toContain('job.lost');
    expect(bench.pass(LEASE_MS).doing()).not.toContain('complete');
  });

  it('that is given again under the same token goes on as it was', () => {
    const bench = running().done();
    bench.now += 1000;
    bench.answer('acquire', { job: leased(JOB_A), batch: [], drain: false });
    expect(bench.ops()).toEqual([]);
    expect(bench.state.leases).toMatchObject([{ phase: 'ending' }]);
  });

  it('of an older token, given late, is not taken', () => {
    const bench = idle()
      .answer('acquire', { job: leased(JOB_A, 2), batch: [], drain: false })
      .done();
    bench.answer('acquire', { job: leased(JOB_A, 1), batch: [], drain: false });
    expect(bench.state.leases.map(({ grant }) => grant.fencingToken)).toEqual([2]);
  });

  it('that comes back under a new token before its failure was answered had ended, not been lost', () => {
    const bench = running()
      .done()
      .uploaded({ ok: false, failure: refused('invalid_request') });
    expect(bench.calls('fail')).toHaveLength(1);
    bench.answer('acquire', { job: leased(JOB_A, 2), batch: [], drain: false });
    expect(bench.ops()).toEqual(['job.fail', 'job.acquire', 'job.start']);
    bench.answer('fail', { status: 'queued', next: null });
    expect(bench.state.leases).toMatchObject([{ phase: 'running', grant: { fencingToken: 2 } }]);
  });

  it('gets no more time by a heartbeat that also says it is cancelled', () => {
    const bench = running().pass(HEARTBEAT_MS);
    const before = bench.state.leases[0]!.liveUntil;
    bench.answer('renew', { ...WORDS, held: [REF_A], cancel: [REF_A] });
    expect(bench.state.leases[0]!.liveUntil).toBe(before);
  });

  it('is dropped when the completion is refused', () => {
    const bench = running().done().uploaded().refuse('complete', refused('lease_lost'));
    expect(bench.doing()).toContain('drop');
    expect(bench.ops()).toContain('job.lost');
  });
});

describe('cancelling', () => {
  it('stops the engine first and then returns the job with what was done', () => {
    const bench = running();
    const progress = { fraction: 0.5, stage: 'running' as const, step: 10, steps: 20 };
    const usage = { steps: 10 };
    bench.feed({ type: 'progressed', lease: bench.lease(), progress, preview: null, usage });
    bench.answer('control', { ...WORDS, cancel: [REF_A] });
    expect(bench.doing()).toEqual(['stop']);
    bench.feed({ type: 'run_ended', lease: bench.lease(), outcome: { kind: 'stopped' } });
    expect(bench.body('return')).toMatchObject({
      reason: 'cancelled',
      usage,
      next: { holding: [] },
    });
  });

  it('never delivers a result that was finished in the same moment', () => {
    const bench = running()
      .answer('control', { ...WORDS, cancel: [REF_A] })
      .done();
    expect(bench.doing()).toEqual(['return']);
  });

  it('ends an upload that is under way, and its late success changes nothing', () => {
    const bench = running().done();
    const trying = bench.state.leases[0]!.trying!;
    const lease = bench.lease();
    bench.answer('control', { ...WORDS, cancel: [REF_A] });
    expect(bench.doing()).toEqual(['stop', 'return']);
    bench.feed({ type: 'upload_ended', lease, trying, outcome: { ok: true, artifacts: [] } });
    expect(bench.doing()).toEqual([]);
  });

  it('does not park the control poll again before the job is given back', () => {
    const bench = running()
      .answer('control', { ...WORDS, cancel: [REF_A] })
      .pass(HEARTBEAT_MS);
    expect(bench.calls('control')).toEqual([]);
  });
});

describe('an undelivered result', () => {
  const failure = { ok: false, failure: UNREACHABLE } as const;

  it('is kept on disk after the first failure and tried again', () => {
    const bench = running().done().uploaded(failure);
    expect(bench.doing()).toEqual(['keep']);
    bench.pass(BACKOFF_MS_MIN);
    expect(bench.doing()).toEqual(['upload']);
    expect(bench.uploaded(failure).doing()).toEqual([]);
  });

  it('makes room for the next job', () => {
    const bench = running().done().uploaded(failure);
    bench.answer('acquire', { job: leased(JOB_B), batch: [], drain: false }).done(bench.lease(1));
    expect(bench.calls('acquire')).toHaveLength(1);
  });

  it('that lapsed is not delivered before the edge says that the lease holds', () => {
    const bench = running().done().uploaded(failure);
    const trouble = (ms: number) => {
      for (const end = bench.now + ms; bench.now < end;) {
        bench.pass(50);
        for (const verb of ['renew', 'acquire', 'control'] as const) {
          if (bench.calls(verb).length > 0) bench.refuse(verb, UNREACHABLE);
        }
        if (bench.state.leases[0]?.trying) bench.uploaded(failure);
      }
    };
    trouble(3 * LEASE_MS);
    expect(bench.state.leases).toHaveLength(1);
    bench.pass(BACKOFF_MS_MAX);
    const uploads = () => bench.all.filter((action) => action.do === 'upload').length;
    const before = uploads();
    expect(bench.pass(1000) && uploads()).toBe(before);
    bench.answer('renew', { ...WORDS, held: [REF_A] });
    expect(uploads()).toBe(before + 1);
  });

  it('is not sent by a process that wakes after the lease, before the edge was asked', () => {
    const bench = running().done().uploaded(failure);
    bench.now += LEASE_MS;
    expect(bench.feed({ type: 'tick' }).doing()).toEqual(['renew']);
    expect(bench.answer('renew', { ...WORDS, held: [REF_A] }).doing()).toEqual(['upload']);
  });

  it('is dropped when the edge says that the lease is gone', () => {
    const bench = running().done().uploaded(failure).pass(LEASE_MS);
    bench.answer('renew', { ...WORDS, lost: [REF_A] });
    expect(bench.doing()).toContain('drop');
    expect(bench.ops()).toContain('job.lost');
  });

  it('is given up when its ticket has expired', () => {
    const bench = running().done().uploaded(failure).pass(UPLOAD_TICKET_MS);
    expect(bench.state.leases).toEqual([]);
    expect(bench.ops()).toContain('job.lost');
  });

  it.each([
    ['artifact_too_large', 'result_too_large', false],
    ['invalid_request', 'job_failed', true],
  ] as const)(
    'that the edge refuses with %s fails the attempt as %s, retryable %s',
    (code, told, retryable) => {
      const bench = running()
        .done()
        .uploaded({ ok: false, failure: refused(code) });
      expect(bench.body('fail')).toMatchObject({ code: told, retryable });
    },
  );

  it('is sent again when its bytes were damaged on the way', () => {
    const bench = running()
      .done()
      .uploaded({ ok: false, failure: refused('hash_mismatch') });
    expect(bench.pass(BACKOFF_MS_MIN).doing()).toEqual(['upload']);
  });

  it('of an earlier process is named at registration and delivered when the lease holds', () => {
    const { spec: _, ...grant } = leased(JOB_A);
    const kept = [{ grant, usage: {}, loadMs: 1, serviceMs: 2 }];
    const bench = new Bench(kept).feed({ type: 'tick' });
    expect(bench.body('register').holding).toEqual([REF_A]);
    bench.register();
    expect(bench.doing()).toEqual(['upload', 'acquire', 'control']);
    const gone = new Bench(kept).feed({ type: 'tick' }).register({ lost: [REF_A] });
    expect(gone.doing()).toEqual(['drop', 'acquire']);
  });

  it('whose completion was not answered is told again, with the same artifacts', () => {
    const bench = running().done().uploaded().refuse('complete', UNREACHABLE);
    expect(bench.doing()).toEqual(['keep']);
    bench.pass(BACKOFF_MS_MIN);
    expect(bench.doing()).toEqual(['complete']);
  });
});

describe('draining', () => {
  it('leaves at once when idle, giving the parked poll up', () => {
    const bench = idle().feed({ type: 'drain' });
    expect(bench.doing()).toEqual(['abort_call', 'exit']);
  });

  it('finishes and delivers what runs, asks for no more, then leaves', () => {
    const bench = running()
      .feed({ type: 'drain' })
      .pass(DRAIN_MS - 1)
      .done();
    expect(bench.doing()).toEqual(['upload']);
    bench.uploaded();
    expect(bench.body('complete').next).toBeNull();
    bench.answer('complete', { status: 'completed', next: null });
    expect(bench.doing()).toEqual(['drop', 'exit']);
  });

  it('returns what is not finished in time', () => {
    const bench = running().feed({ type: 'drain' }).pass(DRAIN_MS);
    expect(bench.doing()).toContain('stop');
    bench.feed({ type: 'run_ended', lease: bench.lease(), outcome: { kind: 'stopped' } });
    expect(bench.body('return')).toMatchObject({ reason: 'drain', next: null });
  });

  it('leaves in any case, keeping what could not be delivered', () => {
    const bench = running()
      .feed({ type: 'drain' })
      .done()
      .pass(DRAIN_MS + LEAVE_MS);
    expect(bench.doing()).toEqual(expect.arrayContaining(['keep', 'exit']));
  });

  it.each(['acquire', 'renew', 'control'] as const)('is ordered by the answer of %s', (verb) => {
    const bench = verb === 'acquire' ? idle() : running().pass(HEARTBEAT_MS);
    if (verb === 'acquire') bench.answer(verb, { job: null, batch: [], drain: true });
    if (verb === 'renew') bench.answer(verb, { ...WORDS, held: [REF_A], drain: true });
    if (verb === 'control') bench.answer(verb, { ...WORDS, drain: true });
    expect(bench.ops()).toContain('session.drain');
    expect(bench.calls('acquire')).toEqual([]);
  });

  it('gives back a job that was granted with the order', () => {
    const bench = idle().answer('acquire', { job: leased(JOB_A), batch: [], drain: true });
    expect(bench.doing()).toEqual(['return']);
    expect(bench.body('return').reason).toBe('drain');
  });
});

it('leaves the state it was given as it was', () => {
  const bench = running();
  const before = bench.state;
  const text = JSON.stringify(before);
  bench.pass(HEARTBEAT_MS).answer('renew', { ...WORDS, lost: [REF_A] });
  expect(JSON.stringify(before)).toBe(text);
});
