/** Batches: several leases in one run, each with an end of its own. */
import { describe, expect, it } from 'vitest';
import { LEASE_MS } from '#schema/limits.ts';
import { idle, leased, REF_A, WORDS } from '../doubles/session-bench.ts';
import type { Bench } from '../doubles/session-bench.ts';

const IDS = [1, 2, 3, 4, 5].map((number) => `job_0100000000000000000000000${number}_main`);
const [A, B, C] = IDS as [string, string, string];

/** A session with an engine that takes `batchMax` at once, granted the first `count` jobs. */
function granted(count: number, batchMax = 3): Bench {
  const [job, ...batch] = IDS.slice(0, count).map((id) => leased(id));
  return idle(batchMax).answer('acquire', { job: job!, batch, drain: false });
}

function starts(bench: Bench): string[][] {
  return bench.all.flatMap((action) =>
    action.do === 'start' ? [action.jobs.map(({ grant }) => grant.jobId)] : [],
  );
}

const stopped = { kind: 'stopped' } as const;

describe('jobs that were granted together', () => {
  it('run together', () => {
    const bench = granted(3);
    expect(starts(bench)).toEqual([[A, B, C]]);
    expect(bench.state.run?.leases).toHaveLength(3);
    expect(bench.calls('acquire')).toEqual([]);
  });

  it('end each by itself, and the engine is free after the last', () => {
    const bench = granted(3);
    const [one, two, three] = bench.state.leases.map(({ id }) => id);
    bench.done(two, false);
    expect(bench.body('complete').lease.jobId).toBe(B);
    expect(bench.body('complete').next).toBeNull();
    bench.done(one);
    expect(bench.doing()).toEqual(['upload']);
    bench.done(three);
    expect(bench.doing()).toEqual(['upload', 'acquire']);
    expect(bench.state.run).toBeNull();
  });

  it('run in parts when they are more than the engine takes, with no ask between', () => {
    const bench = granted(3, 2);
    expect(starts(bench)).toEqual([[A, B]]);
    expect(bench.calls('acquire')).toEqual([]);
    for (const { id } of bench.state.leases.slice(0, 2)) bench.done(id);
    expect(starts(bench)).toEqual([[A, B], [C]]);
  });

  it('run one after another on an engine that takes one', () => {
    const bench = granted(3, 1);
    for (const { id } of bench.state.leases) bench.done(id);
    expect(starts(bench)).toEqual([[A], [B], [C]]);
  });

  it('run without the one that is cancelled before', () => {
    const [job, ...batch] = [A, B, C].map((id) => leased(id));
    const bench = idle(3).feed({ type: 'lent', lent: { freeAt: null } });
    bench.answer('acquire', { job: job!, batch, drain: false });
    bench.answer('control', { ...WORDS, cancel: [REF_A] });
    expect(bench.body('return')).toMatchObject({ lease: REF_A, reason: 'cancelled' });
    bench.feed({ type: 'lent', lent: null });
    expect(starts(bench)).toEqual([[B, C]]);
  });
});

describe('one of a batch', () => {
  it('that is cancelled is stopped and given back alone', () => {
    const bench = granted(3);
    const [one, two] = bench.state.leases.map(({ id }) => id);
    bench.answer('control', { ...WORDS, cancel: [REF_A] });
    expect(bench.doing()).toEqual(['stop']);
    bench.feed({ type: 'run_ended', lease: one!, outcome: stopped });
    expect(bench.body('return')).toMatchObject({ lease: REF_A, reason: 'cancelled', next: null });
    bench.done(two, false);
    expect(bench.body('complete').lease.jobId).toBe(B);
  });

  it('that is lost keeps the engine until its part has ended', () => {
    const bench = granted(2);
    const [one, two] = bench.state.leases.map(({ id }) => id);
    bench.answer('control', { ...WORDS, lost: [REF_A] });
    bench.done(two);
    expect(bench.state.run?.leases).toEqual([one]);
    expect(bench.calls('acquire')).toEqual([]);
    bench.feed({ type: 'run_ended', lease: one!, outcome: stopped });
    expect(bench.doing()).toEqual(['acquire']);
  });

  it('that fails does not take the others with it', () => {
    const bench = granted(2);
    const [one, two] = bench.state.leases.map(({ id }) => id);
    const failure = { code: 'job_failed', retryable: true, detail: 'x' } as const;
    bench.feed({ type: 'run_ended', lease: one!, outcome: { kind: 'failed', ...failure } });
    bench.done(two, false);
    expect(bench.body('fail').lease.jobId).toBe(A);
    expect(bench.body('complete').lease.jobId).toBe(B);
  });
});

it('the engines are asked once when they are away from a whole batch', () => {
  const bench = granted(3);
  const failure = { code: 'engine_unavailable', retryable: true, detail: '' } as const;
  for (const { id } of bench.state.leases) {
    bench.feed({ type: 'run_ended', lease: id, outcome: { kind: 'failed', ...failure } });
  }
  expect(bench.all.filter((action) => action.do === 'discover')).toHaveLength(1);
  expect(bench.state.awayRuns).toBe(1);
  expect(bench.calls('return')).toHaveLength(3);
});

it('the end of a batch is predicted by all of it, whether its jobs run in turn or at once', () => {
  for (const order of ['in turn', 'at once'] as const) {
    const bench = granted(2);
    const [one, two] = bench.state.leases.map(({ id }) => id);
    const tell = (lease: number | undefined, fraction: number) => {
      const progress = { fraction, stage: 'running' as const, step: null, steps: null };
      bench.feed({ type: 'progressed', lease: lease!, progress, preview: null, usage: {} });
    };
    tell(one, 0);
    bench.pass(5000);
    if (order === 'in turn') bench.done(one);
    else tell(one, 0.5);
    if (order === 'in turn') tell(two, 0);
    else tell(two, 0.5);
    bench.pass(4000);
    expect(bench.calls('acquire')).toEqual([]);
    bench.pass(900);
    expect(bench.body('acquire').busyMs).toBe(250);
  }
});

it('each job of a batch counts its share of the time, whether they run in turn or at once', () => {
  for (const order of ['in turn', 'at once'] as const) {
    const bench = granted(3);
    const leases = bench.state.leases.map(({ id }) => id);
    for (const lease of leases) {
      if (order === 'in turn') bench.pass(2010).done(lease, false);
    }
    if (order === 'at once') {
      bench.pass(6010);
      for (const lease of leases) {
        const progress = { fraction: 1, stage: 'running' as const, step: null, steps: null };
        bench.feed({ type: 'progressed', lease, progress, preview: null, usage: {} });
      }
      for (const lease of leases) bench.done(lease, false);
    }
    const told = bench.all.flatMap((action) =>
      action.do === 'call' && action.verb === 'complete' ? [action.body.timings.serviceMs] : [],
    );
    for (const serviceMs of told) expect(serviceMs).toBeCloseTo(2000, -2);
    expect(told).toHaveLength(3);
  }
});

it('a batch whose leases lapse is dropped, each once', () => {
  const bench = granted(3).pass(LEASE_MS);
  expect(bench.ops().filter((op) => op === 'job.lost')).toHaveLength(3);
  expect(bench.state.leases).toEqual([]);
});
