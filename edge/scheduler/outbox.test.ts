import { describe, expect, it } from 'vitest';
import {
  BACKOFF_MS_MAX,
  DELIVERY_CHECK_MS,
  DELIVERY_ROUND_MS,
  DELIVERY_ROUNDS_BURST,
  RECORD_BATCH_MAX,
  SETTLEMENT_ROUND_MS,
} from '#schema/limits.ts';
import { Outbox } from './outbox.ts';
import type { Deliver, Receiver } from './outbox.ts';

/** An outbox with a clock of its own; `sequences` are those of the jobs now. */
function testOutbox(deliver: Partial<Record<Receiver, Deliver>>) {
  const sequences = new Map<string, number>();
  const delivered: string[] = [];
  const clock = { now: 1000 };
  const rests: number[] = [];
  const refuse: Deliver = () => Promise.reject(new Error('away'));
  const outbox = new Outbox({
    deliver: { postgres: refuse, account: refuse, feed: refuse, courier: refuse, ...deliver },
    sequenceOf: (jobId) => sequences.get(jobId) ?? null,
    onDelivered: (receiver, ids) => delivered.push(...ids.map((id) => `${receiver}:${id}`)),
    onFailure: () => {},
    now: () => clock.now,
    random: () => 0,
    rest: async (ms) => {
      rests.push(ms);
      clock.now += ms;
    },
  });
  const add = (receiver: Receiver, jobId: string, changed: number) => {
    sequences.set(jobId, (sequences.get(jobId) ?? 0) + 1);
    outbox.add(receiver, jobId, changed);
  };
  /** All but these arrive. */
  const arriveBut =
    (...failed: string[]): Deliver =>
    (ids) => {
      const arrived = ids.filter((id) => !failed.includes(id));
      return Promise.resolve({
        arrived: new Map(arrived.map((id) => [id, sequences.get(id)!])),
        failed: ids.filter((id) => failed.includes(id)),
      });
    };
  const arrive = arriveBut();
  return { outbox, add, arrive, arriveBut, sequences, delivered, clock, rests };
}

describe('the outbox', () => {
  it('delivers in batches, oldest first, and then is empty', async () => {
    const batches: (readonly string[])[] = [];
    const world = testOutbox({
      postgres: (ids) => {
        batches.push(ids);
        return world.arrive(ids);
      },
    });
    const ids = Array.from({ length: RECORD_BATCH_MAX + 1 }, (_, number) => `job${number}`);
    for (const [index, id] of ids.entries()) world.add('postgres', id, index + 1);
    expect(world.outbox.oldestDue('postgres')).toBe(1);
    await world.outbox.pump();
    expect(batches.map((batch) => batch.length)).toEqual([RECORD_BATCH_MAX, 1]);
    expect(batches.flat()).toEqual(ids);
    expect(world.outbox.nextAt()).toBeNull();
  });

  it('keeps all of a batch whose receiver is away, and waits longer after each failure', async () => {
    const world = testOutbox({});
    world.add('postgres', 'job', 1);
    const waits: number[] = [];
    for (let count = 0; count < 12; count++) {
      await world.outbox.pump();
      expect(world.outbox.isDue('job')).toBe(true);
      const nextAt = world.outbox.nextAt()!;
      waits.push(nextAt - world.clock.now);
      world.clock.now = nextAt;
    }
    expect(waits[1]).toBeGreaterThan(waits[0]!);
    expect(Math.max(...waits)).toBeLessThanOrEqual(BACKOFF_MS_MAX);
    expect(world.delivered).toEqual([]);
  });

  it('delivers again what changed while it was delivered', async () => {
    let calls = 0;
    const world = testOutbox({
      feed: async (ids) => {
        const arrived = await world.arrive(ids);
        calls += 1;
        if (calls === 1) world.add('feed', 'job', 2);
        return arrived;
      },
    });
    world.add('feed', 'job', 1);
    await world.outbox.pump();
    expect(calls).toBe(2);
    expect(world.delivered).toEqual(['feed:job']);
  });

  it('does not let one account that is away hold up the others', async () => {
    const world = testOutbox({
      account: (ids) => world.arriveBut('broken')(ids),
    });
    world.add('account', 'broken', 1);
    for (let number = 0; number < RECORD_BATCH_MAX * 2; number++) {
      world.add('account', `job${number}`, number + 2);
    }
    await world.outbox.pump();
    expect(world.delivered).toHaveLength(RECORD_BATCH_MAX * 2);
    expect(world.outbox.size('account')).toBe(1);
    expect(world.outbox.nextAt()).toBeGreaterThan(world.clock.now);
    world.add('account', 'later', 1000);
    await world.outbox.pump();
    expect(world.delivered.at(-1)).toBe('account:later');
  });

  it('leaves what a receiver did not try where it was, and delivers it next', async () => {
    const world = testOutbox({ postgres: (ids) => world.arrive(ids.slice(0, 1)) });
    for (const [index, id] of ['a', 'b', 'c'].entries()) world.add('postgres', id, index + 1);
    await world.outbox.pump();
    expect(world.delivered).toEqual(['postgres:a', 'postgres:b', 'postgres:c']);
  });

  it('rests between the rounds of a busy line, after some at once', async () => {
    const rounds = DELIVERY_ROUNDS_BURST + 5;
    const world = testOutbox({
      account: (ids) => {
        const number = world.delivered.length + 1;
        if (number < rounds) world.add('account', `job${number}`, number);
        return world.arrive(ids);
      },
    });
    world.add('account', 'job0', 0);
    await world.outbox.pump();
    expect(world.delivered).toHaveLength(rounds);
    expect(world.rests.length).toBeLessThanOrEqual(rounds - DELIVERY_ROUNDS_BURST);
    expect(world.rests.length).toBeGreaterThanOrEqual(rounds - DELIVERY_ROUNDS_BURST - 1);
    expect(new Set(world.rests)).toEqual(new Set([SETTLEMENT_ROUND_MS]));
  });

  it('does not rest while there is more than one batch to deliver', async () => {
    const world = testOutbox({ postgres: (ids) => world.arrive(ids) });
    const count = RECORD_BATCH_MAX * (DELIVERY_ROUNDS_BURST + 5);
    for (let number = 0; number < count; number++) world.add('postgres', `job${number}`, number);
    await world.outbox.pump();
    expect(world.delivered).toHaveLength(count);
    // The last one may rest, as after any round, and no longer for all that came before.
    expect(world.rests).toEqual([DELIVERY_ROUND_MS]);
  });

  it('names the oldest jobs that lack one receiver alone, and lets go of what another keeps', () => {
    const { outbox, add } = testOutbox({});
    for (const [index, id] of ['a', 'b', 'c', 'd'].entries()) add('postgres', id, index);
    add('account', 'b', 9);
    expect(outbox.onlyDue('postgres', (id) => id !== 'a', 1)).toEqual(['c']);
    outbox.remove('postgres', ['c']);
    expect(outbox.onlyDue('postgres', () => true, 9)).toEqual(['a', 'd']);
    expect(outbox.isDue('c')).toBe(false);
  });

  it('is looked after while a delivery is under way', () => {
    const world = testOutbox({ postgres: () => new Promise(() => {}) });
    world.add('postgres', 'job', 1);
    void world.outbox.pump();
    expect(world.outbox.nextAt()).toBe(world.clock.now + DELIVERY_CHECK_MS);
  });

  it.each(['the receiver', 'the job'])(
    'is looked after no sooner while a retry for %s is under way',
    async (failing) => {
      let calls = 0;
      const world = testOutbox({
        account: (ids) => {
          calls += 1;
          if (calls > 1) return new Promise(() => {});
          return failing === 'the job' ? world.arriveBut('job')(ids) : Promise.reject(new Error());
        },
      });
      world.add('account', 'job', 1);
      await world.outbox.pump();
      world.clock.now = world.outbox.nextAt()!;
      void world.outbox.pump();
      expect(calls).toBe(2);
      // The time of the retry is now: an alarm for it would ring, and be set, again and again.
      expect(world.outbox.nextAt()).toBe(world.clock.now + DELIVERY_CHECK_MS);
    },
  );
});
