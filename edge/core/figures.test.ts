import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEMAND_HALF_LIFE_MS, FIGURES_MAX } from '#schema/limits.ts';
import { findModel } from '#schema/model.ts';
import { standardMillitokens } from '#schema/price.ts';
import { countDemand, demandOf, learn, loadMsOf, serviceMsOf } from './figures.ts';
import type { Figures } from './figures.ts';
import { START } from './fixture.ts';

const SDXL = findModel('sdxl')!;
const JOB = { model: 'sdxl', millitokens: 1000 };

function figuresAfter(
  ...samples: readonly { agentId?: string; loadMs?: number; serviceMs?: number }[]
): Figures {
  const figures: Figures = new Map();
  for (const sample of samples) {
    learn(figures, { agentId: 'agt_a', ...JOB, loadMs: 0, serviceMs: 0, ...sample });
  }
  return figures;
}

describe('before anything was learned', () => {
  it("the catalog's figures stand in", () => {
    const none = figuresAfter();
    const millitokens = standardMillitokens(SDXL);
    expect(loadMsOf(none, 'sdxl', 'agt_a')).toBe(SDXL.loadMs);
    expect(serviceMsOf(none, { model: 'sdxl', millitokens })).toBeCloseTo(SDXL.serviceMs);
  });

  it('a model that the catalog does not know has figures too', () => {
    expect(loadMsOf(figuresAfter(), 'own-model')).toBeGreaterThan(0);
    const ofOne = serviceMsOf(figuresAfter(), { model: 'own-model', millitokens: 1000 });
    expect(ofOne).toBeGreaterThan(0);
    expect(serviceMsOf(figuresAfter(), { model: 'own-model', millitokens: 3000 })).toBe(3 * ofOne);
  });
});

describe('what is learned', () => {
  it('moves most of the way to the first sample, and a tenth of it to each later one', () => {
    const first = figuresAfter({ loadMs: 50_000, serviceMs: 40_000 });
    const loadMs = SDXL.loadMs + 0.7 * (50_000 - SDXL.loadMs);
    expect(loadMsOf(first, 'sdxl', 'agt_a')).toBeCloseTo(loadMs);
    expect(loadMsOf(first, 'sdxl')).toBeCloseTo(loadMs);
    const serviceMs = SDXL.serviceMs + 0.7 * (40_000 - SDXL.serviceMs);
    expect(serviceMsOf(first, JOB, 'agt_a')).toBeCloseTo(serviceMs);
    const second = figuresAfter(
      { loadMs: 50_000, serviceMs: 40_000 },
      { loadMs: 10_000, serviceMs: 5000 },
    );
    expect(loadMsOf(second, 'sdxl', 'agt_a')).toBeCloseTo(loadMs + 0.1 * (10_000 - loadMs));
    expect(serviceMsOf(second, JOB)).toBeCloseTo(serviceMs + 0.1 * (5000 - serviceMs));
  });

  it('of the time of service is per millitoken', () => {
    const figures = figuresAfter({ serviceMs: 40_000 });
    const ofOne = serviceMsOf(figures, JOB, 'agt_a');
    expect(serviceMsOf(figures, { ...JOB, millitokens: 250 }, 'agt_a')).toBeCloseTo(ofOne / 4);
  });

  it('comes closer with every equal sample, and never passes it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1000, max: 200_000 }),
        fc.integer({ min: 2, max: 60 }),
        (serviceMs, times) => {
          const samples = Array.from({ length: times }, () => ({ serviceMs }));
          const errorOf = (count: number) =>
            serviceMsOf(figuresAfter(...samples.slice(0, count)), JOB, 'agt_a') - serviceMs;
          const [before, after] = [errorOf(times - 1), errorOf(times)];
          expect(Math.abs(after)).toBeLessThanOrEqual(0.9001 * Math.abs(before) + 1e-6);
          expect(after * before).toBeGreaterThanOrEqual(-1e-6);
        },
      ),
    );
  });

  it('of one agent is its own; the others go by the mean over all', () => {
    const figures = figuresAfter(
      ...Array.from({ length: 60 }, () => ({ agentId: 'agt_fast', serviceMs: 5000, loadMs: 4000 })),
      ...Array.from({ length: 5 }, () => ({
        agentId: 'agt_slow',
        serviceMs: 50_000,
        loadMs: 60_000,
      })),
    );
    const speeds = ['agt_fast', 'agt_new', 'agt_slow'].map((id) => serviceMsOf(figures, JOB, id));
    expect(speeds).toEqual(speeds.toSorted((one, other) => one - other));
    expect(speeds[0]).toBeCloseTo(5000, -2);
    expect(speeds[1]).toBe(serviceMsOf(figures, JOB));
    expect(speeds[2]).toBeGreaterThan(speeds[1]!);
    expect(loadMsOf(figures, 'sdxl', 'agt_fast')).toBeCloseTo(4000, -2);
    expect(loadMsOf(figures, 'sdxl', 'agt_slow')).toBeGreaterThan(loadMsOf(figures, 'sdxl'));
  });

  it('of loads comes from jobs that loaded alone, and a run of no time says nothing', () => {
    const figures = figuresAfter({ loadMs: 50_000, serviceMs: 0 });
    const loadMs = loadMsOf(figures, 'sdxl');
    expect(serviceMsOf(figures, JOB)).toBeCloseTo(serviceMsOf(figuresAfter(), JOB));
    learn(figures, { agentId: 'agt_a', ...JOB, loadMs: 0, serviceMs: 9000 });
    expect(loadMsOf(figures, 'sdxl')).toBe(loadMs);
  });

  it('is kept of so many models and agents and no more', () => {
    const figures: Figures = new Map();
    for (let number = 0; number < FIGURES_MAX + 5; number += 1) {
      const sample = { millitokens: 1000, loadMs: 1000, serviceMs: 1000 };
      learn(figures, { agentId: 'agt_a', model: `m${number}`, ...sample });
      learn(figures, { agentId: `agt_${number}`, model: 'm0', ...sample });
    }
    expect(figures.size).toBe(FIGURES_MAX);
    expect(figures.get('m0')!.agents.size).toBe(FIGURES_MAX);
  });
});

describe('the demand of a model', () => {
  it('is nothing for one never asked for', () => {
    expect(demandOf(new Map(), 'sdxl', START)).toBe(0);
  });

  it('counts jobs, those of a half-life ago by half', () => {
    const figures: Figures = new Map();
    countDemand(figures, 'sdxl', START);
    countDemand(figures, 'sdxl', START);
    expect(demandOf(figures, 'sdxl', START)).toBe(2);
    expect(demandOf(figures, 'sdxl', START + DEMAND_HALF_LIFE_MS)).toBeCloseTo(1);
    countDemand(figures, 'sdxl', START + DEMAND_HALF_LIFE_MS);
    expect(demandOf(figures, 'sdxl', START + DEMAND_HALF_LIFE_MS)).toBeCloseTo(2);
    expect(demandOf(figures, 'sdxl', START + 3 * DEMAND_HALF_LIFE_MS)).toBeCloseTo(0.5);
  });

  it('is the sum of its decayed jobs, and does not grow by a clock that steps back', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(3_600_000), { minLength: 1, maxLength: 30 }), (gaps) => {
        const figures: Figures = new Map();
        let now = START;
        const times = gaps.map((gap) => (now += gap));
        for (const at of times) countDemand(figures, 'sdxl', at);
        const sum = times.reduce((all, at) => all + 2 ** ((at - now) / DEMAND_HALF_LIFE_MS), 0);
        expect(demandOf(figures, 'sdxl', now)).toBeCloseTo(sum, 6);
        expect(demandOf(figures, 'sdxl', now - 60_000)).toBeCloseTo(sum, 6);
      }),
    );
  });
});
