/** Laws of the session under a bad network, with runs and faults chosen by fast-check. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BACKOFF_MS_MAX, LEASE_MS, POLL_MS, PROGRESS_MS } from '#schema/limits.ts';
import type { Faults } from './doubles/world.ts';
import { World } from './doubles/world.ts';
import { ASK_SLACK_MS } from './limits.ts';

const RUNS = 300;

const Faulty = fc.record({
  dropMils: fc.integer({ min: 0, max: 300 }),
  doubleMils: fc.integer({ min: 0, max: 300 }),
  delayMsMax: fc.integer({ min: 0, max: 60_000 }),
  failMils: fc.integer({ min: 0, max: 300 }),
});

const ACTS = [
  'submit',
  'submit',
  'submit',
  'cancel',
  'revoke',
  'restart',
  'lend',
  'freeze',
  'wait',
] as const;

const Story = fc.array(
  fc.record({
    act: fc.constantFrom(...ACTS),
    pick: fc.nat(10),
    ms: fc.integer({ min: 0, max: 2 * LEASE_MS }),
  }),
  { maxLength: 30 },
);
type Story = typeof Story extends fc.Arbitrary<infer T> ? T : never;

/** Small and repeatable (mulberry32). */
function chooser(seed: number): (below: number) => number {
  let a = seed >>> 0;
  return (below) => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** Plays a story; the world checks the laws of every turn. */
function play(seed: number, faults: Faults, story: Story): World {
  const world = new World(chooser(seed), faults);
  for (const { act, pick, ms } of story) {
    const id = [...world.edge.jobs.keys()][pick];
    if (act === 'submit') world.submit();
    if (act === 'cancel' && id) world.cancel(id);
    if (act === 'revoke' && id) world.edge.revoke(id);
    if (act === 'restart') world.edge.sessions.clear();
    if (act === 'lend') world.lend(ms);
    if (act === 'freeze') world.freeze(ms);
    world.run(world.now + ms);
  }
  return world;
}

/** Ends all faults and lets the world come to rest. */
function settle(world: World): void {
  world.trouble = false;
  world.run(world.now + 30 * LEASE_MS + 10 * BACKOFF_MS_MAX);
}

const law = (check: (world: World) => void) =>
  fc.assert(
    fc.property(fc.integer(), Faulty, Story, (seed, faults, story) => {
      const world = play(seed, faults, story);
      check(world);
    }),
    { numRuns: RUNS },
  );

describe('whatever the network does', () => {
  it('every job ends, every acquired lease ends exactly once, and the agent is idle again', () => {
    law((world) => {
      settle(world);
      const open = [...world.edge.jobs.values()].filter(({ status }) =>
        ['queued', 'running'].includes(status),
      );
      expect(open).toEqual([]);
      expect([...world.open]).toEqual([]);
      expect(world.state.calls.map(({ verb }) => verb)).toEqual(['acquire']);
      expect(world.state.leases).toEqual([]);
    });
  });

  it('a job is completed at most once, and never after it was cancelled', () => {
    law((world) => {
      settle(world);
      for (const job of world.edge.jobs.values()) {
        const completed = job.ends.filter(({ verb }) => verb === 'complete').length;
        expect(completed).toBeLessThanOrEqual(1);
        expect(new Set(job.ends.map(({ token }) => token)).size).toBe(job.ends.length);
      }
    });
  });

  it('the agent never sends more than a few requests a second', () => {
    law((world) => {
      for (let seconds = 0; seconds < 60; seconds++) {
        const before = world.sent;
        world.run(world.now + PROGRESS_MS);
        expect(world.sent - before).toBeLessThanOrEqual(12);
      }
    });
  });

  it('an idle agent asks by one parked request alone, a busy one ahead only when it is told', () => {
    law((world) => {
      for (const { busyMs, waitMs, runs } of world.asks) {
        expect(busyMs > 0).toBe(runs);
        expect(waitMs).toBeLessThanOrEqual(POLL_MS);
        if (busyMs > 0) expect(waitMs).toBeLessThanOrEqual(busyMs + ASK_SLACK_MS);
      }
    });
  });

  it('the same seed gives the same trace', () => {
    fc.assert(
      fc.property(fc.integer(), Faulty, Story, (seed, faults, story) => {
        expect(play(seed, faults, story).trace).toEqual(play(seed, faults, story).trace);
      }),
      { numRuns: 30 },
    );
  });

  it('a drained agent leaves, and holds no lease that it did not keep', () => {
    law((world) => {
      world.feed({ type: 'drain' });
      world.run(world.now + LEASE_MS);
      expect(world.exited).toBe(true);
      expect(
        world.state.leases.every((lease) => lease.kept || lease.end?.verb !== 'complete'),
      ).toBe(true);
    });
  });
});
