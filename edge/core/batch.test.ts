import { describe, expect, it } from 'vitest';
import type { ImageSpec } from '#schema/job.ts';
import { BATCH_MAX, LEASES_PER_AGENT_MAX, LEASE_MS } from '#schema/limits.ts';
import { batchKeyOf } from './batch.ts';
import { START, TestPool, imageSpec, jobId, order } from './fixture.ts';
import { violations } from './invariants.ts';

const SPEC = imageSpec('x');

/** An agent whose engine takes `batchMax`, and these jobs. */
function poolWith(specs: readonly ImageSpec[], batchMax: number) {
  const pool = new TestPool();
  const agent = pool.addAgent('agt_a', ['x', 'y'], batchMax);
  for (const [index, spec] of specs.entries()) {
    pool.enqueue(order(index + 1, { spec, accountId: `acc_${index}` }), START + index);
  }
  const granted = () =>
    pool.acquireAll(agent, START + 1000, { resident: ['x'] }).map(({ jobId: id }) => id);
  return { pool, agent, granted };
}

const like = (count: number) => Array.from({ length: count }, () => SPEC);
const ids = (...numbers: readonly number[]) => numbers.map(jobId);

describe('the key of a batch', () => {
  it.each<[string, Partial<ImageSpec>]>([
    ['model', { model: 'y' }],
    ['width', { width: 512 }],
    ['height', { height: 512 }],
    ['steps', { steps: 4 }],
    ['guidance', { guidance: 3 }],
    ['number of pictures', { count: 2 }],
  ])('differs by %s', (_, more) => {
    expect(batchKeyOf({ ...SPEC, ...more })).not.toBe(batchKeyOf(SPEC));
  });

  it('does not differ by what is of each picture alone', () => {
    const other = { ...SPEC, prompt: 'a dog', negative_prompt: 'a cat', seed: 7 };
    expect(batchKeyOf(other)).toBe(batchKeyOf(SPEC));
  });

  it.each<[string, Partial<ImageSpec>]>([
    ['starts from a picture', { input_image: 'img_1' }],
    ['has a mask', { mask: 'img_1' }],
    ['has a LoRA', { loras: [{ name: 'style', weight: 1 }] }],
    ['is made larger', { upscale: 2 }],
  ])('is none for a job that %s', (_, more) => {
    expect(batchKeyOf({ ...SPEC, ...more })).toBe('');
  });
});

describe('like jobs', () => {
  it('are granted together, oldest first, as many as the engine takes', () => {
    const { granted } = poolWith(like(6), 4);
    expect(granted()).toEqual(ids(1, 2, 3, 4));
    expect(granted()).toEqual(ids(5, 6));
  });

  it('are granted one by one to an engine that takes no batch', () => {
    expect(poolWith(like(3), 1).granted()).toEqual(ids(1));
  });

  it.each<[string, ImageSpec]>([
    ['another size of the model', { ...SPEC, width: 512 }],
    ['another model', imageSpec('y')],
    ['a job that runs by itself', { ...SPEC, upscale: 2 }],
    ['a model that this agent does not have', imageSpec('z')],
  ])('are granted one by one while %s waits in the tier', (_, other) => {
    const { pool, granted } = poolWith([...like(3), other], 4);
    expect(granted()).toHaveLength(1);
    pool.run({ kind: 'cancel', jobId: jobId(4) });
    expect(granted().length).toBeGreaterThan(1);
  });

  it('that run by themselves are never granted together', () => {
    expect(poolWith(Array(3).fill({ ...SPEC, upscale: 2 }), 4).granted()).toEqual(ids(1));
  });

  it('of another tier do not come along', () => {
    const { pool, granted } = poolWith(like(2), 4);
    pool.enqueue(order(3, { spec: SPEC, tier: 'pro' }), START + 10);
    expect(granted()).toEqual(ids(3));
    expect(granted()).toEqual(ids(1, 2));
  });

  it('are granted one by one to an agent that is still busy', () => {
    const { pool, agent } = poolWith(like(4), 4);
    expect(pool.acquireAll(agent, START + 1000, { resident: ['x'], busyMs: 1 })).toHaveLength(1);
  });

  it('do not bring along one that this agent has failed', () => {
    const { pool, agent, granted } = poolWith(like(3), 4);
    const other = pool.addAgent('agt_b', ['x']);
    const [first, ...rest] = pool.acquireAll(agent, START, { resident: ['x'] });
    pool.failAttempt(agent, first!);
    for (const lease of rest) pool.run({ kind: 'return', ...pool.attempt(agent, lease) });
    expect(granted()).toEqual(ids(2, 3));
    expect(pool.acquire(other, START + 1000)?.jobId).toBe(jobId(1));
  });

  it('never give an agent more leases than it may hold', () => {
    const { pool, agent, granted } = poolWith(like(2 * LEASES_PER_AGENT_MAX), BATCH_MAX);
    for (let count = 0; count < LEASES_PER_AGENT_MAX - 2; count += 1) {
      pool.acquireAll(agent, START, { resident: ['x'], busyMs: 1 });
    }
    expect(granted()).toHaveLength(2);
    expect(granted()).toEqual([]);
    expect(violations(pool.state)).toEqual([]);
  });
});

describe('a batch', () => {
  it('settles each of its jobs by itself', () => {
    const { pool, agent } = poolWith(like(4), 4);
    const [done, failed, returned, lapsed] = pool.acquireAll(agent, START);
    pool.complete(agent, done!);
    pool.failAttempt(agent, failed!);
    pool.run({ kind: 'return', ...pool.attempt(agent, returned!) });
    pool.run({ kind: 'tick' }, START + LEASE_MS);
    const now = [done, failed, returned, lapsed].map((lease) => {
      const { status, attempt } = pool.state.jobs.get(lease!.jobId)!;
      return [status, attempt];
    });
    expect(now).toEqual([
      ['completed', 1],
      ['queued', 1],
      ['queued', 0],
      ['queued', 1],
    ]);
    expect(violations(pool.state)).toEqual([]);
  });

  it('whose answer was lost is granted again whole, as the same attempts, and nothing new', () => {
    const { pool, agent } = poolWith(like(6), 4);
    const lost = pool.acquireAll(agent, START);
    const ask = { kind: 'acquire', caller: agent, resident: [], busyMs: 0 } as const;
    const again = pool
      .run({ ...ask, holding: [] }, START + 5000)
      .filter((change) => change.kind === 'job_granted');
    expect(again.map(({ jobId: id }) => id)).toEqual(lost.map(({ jobId: id }) => id));
    for (const [index, grant] of again.entries()) {
      expect(grant.fencingToken).toBe(lost[index]!.fencingToken + 1);
      expect(grant.attempt).toBe(1);
    }
  });

  it('of which a part was heard gives the rest again', () => {
    const { pool, agent } = poolWith(like(4), 4);
    const [first, ...rest] = pool.acquireAll(agent, START);
    const ask = { kind: 'acquire', caller: agent, resident: [], busyMs: 0 } as const;
    const again = pool
      .run({ ...ask, holding: [first!] }, START + 5000)
      .filter((change) => change.kind === 'job_granted');
    expect(again.map(({ jobId: id }) => id)).toEqual(rest.map(({ jobId: id }) => id));
  });
});
