import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createLife, isAlive, step, wakeAt } from './life.ts';
import type { Life, LifeAction, LifeEvent } from './life.ts';
import {
  CRASHES_MAX,
  GRACE_MS,
  MISSES_MAX,
  OUT_MS,
  REST_MS_MAX,
  REST_MS_MIN,
  START_MS,
} from './limits.ts';

class World {
  life: Life = createLife(START_MS);
  at = 0;
  random = 0.5;
  did: string[] = [];

  /** Passes time, then tells; answers what it did. */
  tell(type: LifeEvent['type'], afterMs = 0): string[] {
    this.at += afterMs;
    const { life, actions } = step(this.life, { type }, { at: this.at, random: this.random });
    this.life = life;
    this.did = actions.map(nameOf);
    return this.did;
  }

  /** Lets the time come for which it waits. */
  wait(): string[] {
    return this.tell('tick', wakeAt(this.life)! - this.at);
  }

  up(): this {
    this.tell('want');
    this.tell('answered');
    return this;
  }
}

function nameOf(action: LifeAction): string {
  switch (action.do) {
    case 'spawn':
      return 'spawn';
    case 'signal':
      return action.signal;
    case 'tell':
      return action.what;
  }
}

describe('an engine process', () => {
  it('is started once when it is wanted, and is up when it answers', () => {
    const world = new World();
    expect(world.tell('want')).toEqual(['spawn']);
    expect(world.tell('want')).toEqual([]);
    expect(world.tell('answered')).toEqual(['up']);
    expect(world.tell('answered')).toEqual([]);
  });

  it('is asked to end, then made to, and is waited for before it starts again', () => {
    const world = new World().up();
    expect(world.tell('unwant')).toEqual(['SIGTERM']);
    expect(world.tell('want')).toEqual([]);
    expect(world.tell('tick', GRACE_MS - 1)).toEqual([]);
    expect(world.wait()).toEqual(['SIGKILL']);
    expect(wakeAt(world.life)).toBeNull();
    expect(world.tell('exited')).toEqual(['down', 'spawn']);
  });

  it('is ended when it does not come up in time, and rests', () => {
    const world = new World();
    world.tell('want');
    expect(world.tell('tick', START_MS - 1)).toEqual([]);
    expect(world.wait()).toEqual(['late', 'SIGTERM']);
    expect(world.tell('exited')).toEqual(['crashed']);
    expect(world.wait()).toEqual(['spawn']);
  });

  it('is ended when it was silent several times in a row', () => {
    const world = new World().up();
    for (let miss = 1; miss < MISSES_MAX; miss++) expect(world.tell('silent')).toEqual([]);
    world.tell('answered');
    for (let miss = 1; miss < MISSES_MAX; miss++) expect(world.tell('silent')).toEqual([]);
    expect(world.tell('silent')).toEqual(['hung', 'SIGTERM']);
  });

  it('is killed at once when it does not let go of a job', () => {
    const world = new World().up();
    expect(world.tell('wedged')).toEqual(['hung', 'SIGKILL']);
    expect(world.tell('exited')).toEqual(['crashed']);
  });

  it('rests longer after each failure, spread by chance', () => {
    const world = new World();
    const rests: number[] = [];
    world.tell('want');
    for (let crash = 1; crash < CRASHES_MAX; crash++) {
      world.tell('exited');
      rests.push(wakeAt(world.life)! - world.at);
      world.wait();
    }
    expect(rests).toEqual([REST_MS_MIN * 0.75, REST_MS_MIN * 1.5, REST_MS_MIN * 3]);
    const calm = new World();
    calm.random = 0;
    calm.tell('want');
    calm.tell('exited');
    expect(wakeAt(calm.life)).toBe(REST_MS_MIN / 2);
  });

  it('is out after a loop of failures, and back with a clean sheet after the time out', () => {
    const world = new World();
    world.tell('want');
    for (let crash = 1; crash < CRASHES_MAX; crash++) {
      expect(world.tell('exited')).toEqual(['crashed']);
      world.wait();
    }
    expect(world.tell('exited')).toEqual(['crashed', 'out']);
    expect(wakeAt(world.life)! - world.at).toBe(OUT_MS);
    expect(world.tell('want')).toEqual([]);
    expect(world.wait()).toEqual(['spawn']);
    expect(world.tell('exited')).toEqual(['crashed']);
    expect(wakeAt(world.life)! - world.at).toBeLessThan(REST_MS_MAX);
  });

  it('is not started again when nobody wants it any more', () => {
    const world = new World();
    world.tell('want');
    world.tell('exited');
    expect(world.tell('unwant')).toEqual([]);
    expect(world.wait()).toEqual([]);
    expect(world.life.phase.name).toBe('down');
  });
});

it('never has two processes, signals none that is not there, and always knows when to look', () => {
  const types = ['want', 'unwant', 'exited', 'answered', 'silent', 'wedged', 'tick'] as const;
  const events = fc.array(
    fc.tuple(fc.constantFrom(...types), fc.nat(OUT_MS), fc.double({ min: 0, max: 0.99 })),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(events, (all) => {
      let life = createLife(START_MS);
      let [at, processes] = [0, 0];
      for (const [type, afterMs, random] of all) {
        at += afterMs;
        if (type === 'exited' && processes === 0) continue;
        if (type === 'exited') processes--;
        const next = step(life, { type }, { at, random });
        for (const action of next.actions) {
          if (action.do === 'spawn') processes++;
          if (action.do === 'signal') expect(processes).toBe(1);
        }
        life = next.life;
        expect(processes).toBe(isAlive(life) ? 1 : 0);
        const waits = life.phase.name === 'starting' || life.phase.name === 'resting';
        if (waits) expect(wakeAt(life)).not.toBeNull();
      }
    }),
  );
});
