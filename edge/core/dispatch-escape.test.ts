import { describe, expect, it } from 'vitest';
import { ESCAPE_AFTER_MS, ESCAPE_BURST_MS, ESCAPE_SHARE } from '#schema/limits.ts';
import { LOAD_MS, START, TestPool, World, imageSpec, jobId, order } from './fixture.ts';
import type { Arrival, Grant } from './fixture.ts';
import { escapeBudget } from './online.ts';
import type { Change } from './state.ts';

const SPEC = imageSpec('x');
const SERVICE_MS = 15_000;
const HOUR_MS = 3_600_000;
/** Numbers of jobs of the lower tier begin here. */
const LOW = 100_000;

/** Higher jobs that take all of so many GPUs and a little more, each of its own account. */
function steady(hours: number, gpus: number, tier: 'pro' | 'starter' = 'pro'): Arrival[] {
  const everyMs = Math.floor((0.95 * SERVICE_MS) / gpus);
  return Array.from({ length: Math.floor((hours * HOUR_MS) / everyMs) }, (_, index) => ({
    at: START + index * everyMs,
    order: order(index, { tier, accountId: `acc_h${index}`, spec: SPEC }),
  }));
}

function low(count: number, at: number, more: Parameters<typeof order>[1] = {}): Arrival[] {
  return Array.from({ length: count }, (_, index) => {
    const accountId = `acc_l${index}`;
    return { at, order: order(LOW + index, { accountId, spec: SPEC, ...more }) };
  });
}

/** Plays these for so long; what was granted, and how much GPU time out of turn. */
function play(arrivals: readonly Arrival[], hours: number, gpus = 1) {
  const world = new World();
  for (let index = 0; index < gpus; index += 1) world.addGpu(`agt_${index}`, ['x', 'y']);
  const grants: Grant[] = [];
  world.play(arrivals, { before: (grant) => grants.push(grant) }, START + hours * HOUR_MS);
  const escapes = grants.filter(({ choice }) => choice.turn.escapeMs > 0);
  const escapedMs = escapes.reduce((sum, { choice }) => sum + choice.turn.escapeMs, 0);
  return { world, grants, escapes, escapedMs };
}

describe('a free job under a steady load of pro', () => {
  it('starts out of turn once it is overdue, and not before', () => {
    const arrivals = [...steady(1, 1), ...low(1, START + 20_000)];
    const { world, escapes } = play(arrivals, 1);
    const waitMs = world.startedAt.get(jobId(LOW))! - START - 20_000;
    expect(waitMs).toBeGreaterThan(ESCAPE_AFTER_MS.free);
    expect(waitMs).toBeLessThanOrEqual(ESCAPE_AFTER_MS.free + SERVICE_MS);
    expect(escapes.map(({ choice }) => choice.entry.id)).toEqual([jobId(LOW)]);
  });

  it('starts in turn when nothing higher waits, for nothing of the budget', () => {
    const { world, escapes } = play([...steady(0.1, 1), ...low(1, START + 20_000)], 1);
    expect(world.startedAt.get(jobId(LOW))! - START).toBeLessThan(ESCAPE_AFTER_MS.free);
    expect(escapes).toEqual([]);
  });
});

describe('an overdue job', () => {
  it('goes in turn, and pays nothing, when no higher one waits that the agent can run', () => {
    const pool = new TestPool();
    const agent = pool.addAgent('agt_a', ['x']);
    pool.enqueue(order(1, { spec: SPEC }));
    pool.enqueue(order(2, { spec: imageSpec('y'), tier: 'pro' }));
    const now = START + 2 * ESCAPE_AFTER_MS.free;
    pool.renew(agent, now);
    const before = escapeBudget(pool.state, now);
    expect(pool.acquire(agent, now)?.jobId).toBe(jobId(1));
    expect(escapeBudget(pool.state, now)).toBe(before);
  });
});

describe('a starter job', () => {
  it('is overdue sooner than a free one', () => {
    const arrivals = [...steady(1, 1), ...low(1, START + 20_000, { tier: 'starter' })];
    const waitMs = play(arrivals, 1).world.startedAt.get(jobId(LOW))! - START - 20_000;
    expect(waitMs).toBeGreaterThan(ESCAPE_AFTER_MS.starter);
    expect(waitMs).toBeLessThanOrEqual(ESCAPE_AFTER_MS.starter + SERVICE_MS);
  });

  it('keeps a free one waiting no longer than its limit either', () => {
    const arrivals = [...steady(1, 1, 'starter'), ...low(1, START + 20_000)];
    const waitMs = play(arrivals, 1).world.startedAt.get(jobId(LOW))! - START - 20_000;
    expect(waitMs).toBeGreaterThan(ESCAPE_AFTER_MS.free);
    expect(waitMs).toBeLessThanOrEqual(ESCAPE_AFTER_MS.free + SERVICE_MS);
  });
});

describe('the escape budget', () => {
  it.each([
    [1, 'x'],
    [3, 'x'],
    // Each escape costs its load, and so does the way back, which the higher tier pays.
    [1, 'y'],
  ] as const)(
    'on %i GPUs gives overdue jobs of %s its share of the time, no more',
    (gpus, model) => {
      const hours = 6;
      // By then, the higher tier has all GPUs and a line.
      const many = low(2000, START + 60_000, { spec: imageSpec(model) });
      const { escapes, escapedMs, grants } = play([...steady(hours, gpus), ...many], hours, gpus);
      const dueMs = hours * HOUR_MS - 60_000 - ESCAPE_AFTER_MS.free;
      const longestMs = SERVICE_MS + LOAD_MS;
      const saved = ESCAPE_BURST_MS * gpus;
      expect(escapedMs).toBeLessThanOrEqual(saved + gpus * ESCAPE_SHARE * dueMs + longestMs);
      expect(escapedMs).toBeGreaterThan(0.9 * gpus * ESCAPE_SHARE * dueMs);
      for (const { choice, now } of escapes) {
        expect(now - choice.entry.queuedAt).toBeGreaterThan(ESCAPE_AFTER_MS.free);
      }
      const inTurn = grants.filter(({ choice }) => choice.turn.escapeMs === 0);
      expect(new Set(inTurn.map(({ choice }) => choice.entry.tier))).toEqual(new Set(['pro']));
    },
  );

  it('counts what is saved up, earns by time, and pays by grants', () => {
    const world = new World();
    world.addGpu('agt_a', ['x']);
    const { state } = world.pool;
    expect(escapeBudget(state, START)).toBe(ESCAPE_BURST_MS);
    state.escape = { ms: 1000, at: START };
    expect(escapeBudget(state, START + 50_000)).toBe(1000 + 50_000 * ESCAPE_SHARE);
    expect(escapeBudget(state, START - 50_000)).toBe(1000);
    world.pool.enqueue(order(1, { spec: SPEC }));
    const turn = { bypassed: null, skipped: [], headTag: 0, escapeMs: 40_000 };
    const lease = { agentId: 'agt_a', sessionId: 'agt_a-session', expiresAt: START + 1 };
    const at = START + 50_000;
    const grant: Change = {
      kind: 'job_granted',
      jobId: jobId(1),
      lease,
      fencingToken: 1,
      attempt: 1,
      at,
      expectedStartAt: at,
      expectedEndAt: at,
      turn,
    };
    world.pool.apply([grant]);
    expect(escapeBudget(state, at)).toBe(6000 - 40_000);
    world.addGpu('agt_b', ['x']);
    expect(escapeBudget(state, START + 1e9)).toBe(ESCAPE_BURST_MS);
    for (const { caller } of world.gpus) world.pool.renew(caller, START + 1e9);
    expect(escapeBudget(state, START + 1e9)).toBe(2 * ESCAPE_BURST_MS);
  });

  it('is saved for the higher of two overdue tiers, though the lower would cost less', () => {
    const world = new World();
    world.addGpu('agt_a', ['x']);
    const { pool } = world;
    const { caller } = world.gpus[0]!;
    pool.enqueue(order(1, { tier: 'starter', heldMillitokens: 8000, spec: SPEC }));
    pool.enqueue(order(2, { spec: SPEC }));
    pool.enqueue(order(3, { tier: 'pro', spec: SPEC }));
    const now = START + ESCAPE_AFTER_MS.free + 1;
    pool.renew(caller, now);
    // Enough for the free job, not for the other.
    pool.state.escape = { ms: 2 * SERVICE_MS, at: now };
    const first = pool.acquire(caller, now, ['x'])!;
    expect(first.jobId).toBe(jobId(3));
    pool.complete(caller, first, now);
    pool.enqueue(order(4, { tier: 'pro', spec: SPEC }), now);
    pool.state.escape = { ms: 9 * SERVICE_MS, at: now };
    expect(pool.acquire(caller, now, ['x'])?.jobId).toBe(jobId(1));
  });

  it('lets one that costs more than can be saved go when it is full, and is in debt for it', () => {
    const long = { heldMillitokens: 60_000, spec: SPEC };
    const costMs = 60 * SERVICE_MS;
    expect(costMs).toBeGreaterThan(ESCAPE_BURST_MS);
    const arrivals = [...steady(6, 1), ...low(2, START + 1000, long)];
    const { escapes } = play(arrivals, 6);
    expect(escapes).toHaveLength(2);
    const apartMs = escapes[1]!.now - escapes[0]!.now;
    expect(apartMs).toBeGreaterThanOrEqual((costMs - 1000) / ESCAPE_SHARE);
    expect(apartMs).toBeLessThanOrEqual((costMs + 2 * SERVICE_MS) / ESCAPE_SHARE);
  });
});
