/**
 * What people use today, to compare with. All serve each model's jobs in the order of arrival.
 *   fifo         the oldest job
 *   affinity     a job of a loaded model first, then the oldest
 *   age_bounded  the same, unless the oldest has waited for 300 s
 *   swarmui      SwarmUI's rule: a loaded model first, then the model with the most pressure,
 *                10 for each of its jobs and 1 for each second that its oldest has waited
 *                (src/Backends/BackendHandler.cs)
 */
import { assert } from '#schema/assert.ts';
import type { Gpu, Job, Policy } from './replay.ts';

export type RivalName = 'fifo' | 'affinity' | 'age_bounded' | 'swarmui';

const AGE_MAX_S = 300;
const PRESSURE_PER_JOB = 10;

type Chosen = { readonly gpu: Gpu; readonly model: string };

/** A rival, with nothing waiting. */
export function makeRival(name: RivalName): Policy {
  return new Rival(CHOICES[name]);
}

/** The waiting jobs of each model, oldest first. */
type Lines = ReadonlyMap<string, readonly Job[]>;
type Choose = (lines: Lines, idle: readonly Gpu[], nowS: number) => Chosen;

const CHOICES: Readonly<Record<RivalName, Choose>> = {
  fifo: (lines, idle) => takeOldest(lines, idle),
  affinity: (lines, idle) => takeLoaded(lines, idle) ?? takeOldest(lines, idle),
  age_bounded: (lines, idle, nowS) => {
    const isOverdue = nowS - oldest(lines).arrivalS > AGE_MAX_S;
    return (isOverdue ? null : takeLoaded(lines, idle)) ?? takeOldest(lines, idle);
  },
  swarmui: (lines, idle, nowS) => {
    const pressure = ([, jobs]: readonly [string, readonly Job[]]) =>
      PRESSURE_PER_JOB * jobs.length + nowS - jobs[0]!.arrivalS;
    const most = () =>
      [...lines].reduce((one, other) => (pressure(other) > pressure(one) ? other : one));
    return takeLoaded(lines, idle) ?? { gpu: longestIdle(idle), model: most()[0] };
  },
};

function takeLoaded(lines: Lines, idle: readonly Gpu[]): Chosen | null {
  const gpu = idle.find(({ model }) => model !== null && lines.has(model));
  return gpu ? { gpu, model: gpu.model! } : null;
}

function takeOldest(lines: Lines, idle: readonly Gpu[]): Chosen {
  const { model } = oldest(lines);
  return { gpu: idle.find((gpu) => gpu.model === model) ?? longestIdle(idle), model };
}

function oldest(lines: Lines): Job {
  let found: Job | null = null;
  for (const [first] of lines.values()) {
    if (first && (!found || first.number < found.number)) found = first;
  }
  assert(found, 'something waits');
  return found;
}

function longestIdle(idle: readonly Gpu[]): Gpu {
  return idle.reduce((one, other) => (other.untilS < one.untilS ? other : one));
}

class Rival implements Policy {
  readonly #choose: Choose;
  readonly #lines = new Map<string, Job[]>();

  constructor(choose: Choose) {
    this.#choose = choose;
  }

  submit(job: Job): void {
    const line = this.#lines.get(job.model);
    if (line) line.push(job);
    else this.#lines.set(job.model, [job]);
  }

  start(idle: readonly Gpu[], nowS: number): { gpu: Gpu; job: Job } | null {
    if (this.#lines.size === 0) return null;
    const { gpu, model } = this.#choose(this.#lines, idle, nowS);
    const line = this.#lines.get(model)!;
    const job = line.shift()!;
    if (line.length === 0) this.#lines.delete(model);
    return { gpu, job };
  }

  end(): void {}

  head(): Job | null {
    return this.#lines.size === 0 ? null : oldest(this.#lines);
  }
}
