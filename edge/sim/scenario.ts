/**
 * Who is in a world and what they want, drawn from its seed: accounts with their plans, boxes
 * with their models, jobs over some minutes. Small enough to be run by the thousand.
 */
import type { JobRequest } from '#schema/job.ts';
import type { PlanId } from '#schema/plan.ts';
import type { BoxSpec } from './actors/box.ts';
import type { Wish } from './actors/user.ts';
import type { Random } from './random.ts';

export interface Scenario {
  readonly startAt: number;
  readonly plans: readonly PlanId[];
  readonly boxes: readonly BoxSpec[];
  /** A box that joins later, and a second pool, or null. */
  readonly joins: { readonly box: BoxSpec; readonly afterMs: number } | null;
  readonly secondPoolAfterMs: number | null;
  readonly wishes: readonly { readonly user: number; readonly atMs: number; readonly wish: Wish }[];
  readonly quotes: readonly { readonly user: number; readonly atMs: number }[];
  readonly spanMs: number;
}

const DAY_MS = 24 * 60 * 60 * 1000;
const EPOCH = 1_790_000_000_000;
const IMAGE_MODELS = ['sdxl', 'flux-schnell', 'painter', 'flux-dev'] as const;
const MINUTE_MS = 60_000;
const PROMPT = 'a lighthouse in the rain';
const SMALL = { type: 'image', model: 'sdxl', prompt: PROMPT, width: 512, height: 512 } as const;
const DEAR = { ...SMALL, width: 1024, height: 1024, count: 4, steps: 150 } as const;

/** Most worlds have few jobs of all kinds; in some there are many, nearly all alike, or dear. */
type Crowd = 'few' | 'busy' | 'flood' | 'greedy';
const CROWDS: readonly Crowd[] = [
  ...Array.from({ length: 36 }, () => 'few' as const),
  'busy',
  'flood',
  'greedy',
  'greedy',
];
/** What is mostly asked for in a world, and how often. */
const USUAL: Readonly<Partial<Record<Crowd, readonly [share: number, request: JobRequest]>>> = {
  flood: [0.93, SMALL],
  greedy: [0.6, DEAR],
};

export function drawScenario(random: Random): Scenario {
  const crowd = random.pick(CROWDS);
  const isFlood = crowd === 'flood';
  const spanMs = random.between(2, 6) * MINUTE_MS;
  const plans = isFlood
    ? (['pro'] as const)
    : Array.from({ length: random.between(1, 4) }, () =>
        crowd === 'greedy' ? 'starter' : drawPlan(random),
      );
  const [first, ...others] = Array.from(
    { length: isFlood ? 1 : random.between(1, 3) },
    (_, index) => drawBox(random, `box${index}`),
  );
  const isMany = crowd === 'busy' || isFlood;
  const count = isMany ? random.between(60, 90) : random.between(6, 28);
  const wishes = Array.from({ length: count }, (_, index) => ({
    user: random.below(plans.length),
    atMs: drawMoment(random, isFlood ? MINUTE_MS : spanMs),
    wish: drawWish(random, index, crowd),
  }));
  const joins =
    !isFlood && random.chance(0.4)
      ? { box: drawBox(random, 'late'), afterMs: random.below(spanMs) }
      : null;
  return {
    startAt: drawStart(random),
    plans,
    boxes: [makeWhole(first!, 'box0'), ...others],
    joins,
    secondPoolAfterMs: !isFlood && random.chance(0.2) ? random.below(spanMs) : null,
    wishes: wishes.toSorted((a, b) => a.atMs - b.atMs),
    quotes: Array.from({ length: random.below(3) }, () => ({
      user: random.below(plans.length),
      atMs: random.below(spanMs),
    })),
    spanMs,
  };
}

/** Any time of day; often a little before midnight, when tokens renew. */
function drawStart(random: Random): number {
  const day = Math.floor(EPOCH / DAY_MS) * DAY_MS + random.below(200) * DAY_MS;
  if (random.chance(0.2)) return day + DAY_MS - random.between(1, 6) * MINUTE_MS;
  return day + random.below(DAY_MS / 2);
}

/** Some jobs come one by one, some all at once. */
function drawMoment(random: Random, spanMs: number): number {
  return random.chance(0.4) ? Math.floor(spanMs * 0.2) + random.below(50) : random.below(spanMs);
}

function drawPlan(random: Random): PlanId {
  return random.pick(['pro', 'pro', 'starter', 'starter', 'starter', 'admin', 'free'] as const);
}

function drawBox(random: Random, name: string): BoxSpec {
  const all = [...IMAGE_MODELS];
  const models = random.chance(0.6) ? all : all.filter(() => random.chance(0.6));
  return {
    name,
    isWhole: models.length === all.length,
    models: models.length > 0 ? models : ['sdxl'],
    batchMax: random.chance(0.4) ? random.between(2, 8) : 1,
    speed: random.pick([0.3, 1, 1, 2]),
  };
}

/** A box that can run whatever was accepted; without one a world could not come to rest. */
export function makeWhole(box: BoxSpec, name: string): BoxSpec {
  return { ...box, name, models: [...IMAGE_MODELS], isWhole: true };
}

function drawWish(random: Random, index: number, crowd: Crowd): Wish {
  const number = random.chance(0.08) ? random.below(index + 1) : index;
  const request = drawRequest(random);
  const [share, usual] = USUAL[crowd] ?? [0, request];
  return {
    request: random.chance(share) ? usual : request,
    key: random.chance(0.7) ? `key-${number}` : null,
    cancelAfterMs: random.chance(0.2) ? random.span(random.pick([200, 20_000, 90_000])) : null,
    watches: random.chance(0.3),
  };
}

/** A picture, small or as large and long as to use up a day's tokens. */
export function drawRequest(random: Random): JobRequest {
  const side = random.pick([512, 512, 512, 1024, 1024, 1536]);
  const deadline = random.chance(0.15) ? { deadline_s: random.between(5, 400) } : {};
  const model = random.pick(IMAGE_MODELS);
  const large = random.chance(0.1) ? { count: 4, steps: 12 } : {};
  return {
    type: 'image',
    model,
    prompt: PROMPT,
    width: side,
    height: side,
    ...large,
    ...deadline,
  };
}
