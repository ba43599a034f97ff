/**
 * What is raced in the throughput benchmark: something that makes jobs durable, hands each to one
 * of a number of agents and makes its end durable. A job counts when its end is acknowledged.
 */

/** Agents, or workers where there is no HTTP between. */
export const AGENTS = 16;

/** The request that every system is given, as its user would write it. */
export const REQUEST = {
  type: 'image',
  model: 'painter',
  prompt: 'a lighthouse at dusk, oil on canvas, waves against the rocks, warm light in the windows',
  width: 256,
  height: 256,
  steps: 4,
  seed: 7,
} as const;

export interface Contender {
  readonly system: string;
  /** `bare`: producer and workers in one process; `http`: both behind an HTTP server. */
  readonly mode: 'bare' | 'http';
  /** What is on disk when a submit, and when an end, is acknowledged. */
  readonly durability: string;
  /** Makes jobs durable in one call; rejects unless all of them are. */
  submit(count: number): Promise<void>;
  /** Called at each acknowledged end from now on. */
  onEnd(listener: () => void): void;
  /** Resolves when nothing of the jobs that ended is left to do, so that the next run has quiet. */
  settle(): Promise<void>;
  stop(): Promise<void>;
}
