/** What the engines that make one sound file have in common: a run in their child, reported. */
import type { ContentType } from '#schema/artifact.ts';
import type { Child } from './child.ts';
import type { RunContext, RunResult } from './engine.ts';

/** A file that the child wrote. */
interface SoundFile {
  readonly path: string;
  readonly durationS: number;
}

/** One sound to make: how many steps it has, and which one an event of the child is. */
interface SoundRun<Q, E> {
  readonly request: Q;
  readonly contentType: ContentType;
  readonly steps: number;
  readonly stepOf: (event: E) => number;
}

/** Runs the request in the child and describes the file it wrote. */
export async function runAudio<Q extends object, E, R extends SoundFile>(
  child: Child<Q, E, R>,
  { request, contentType, steps, stepOf }: SoundRun<Q, E>,
  context: RunContext,
): Promise<RunResult> {
  const report = (stage: 'loading' | 'running', step: number): void =>
    context.onProgress({ fraction: Math.min(1, step / steps), stage, step, steps });
  report(child.warm ? 'running' : 'loading', 0);
  const { result, loadMs } = await child.run(request, {
    signal: context.signal,
    onEvent: (event) => report('running', stepOf(event)),
  });
  const { path, durationS } = result;
  const sizes = { width: null, height: null, thumbnail: null };
  return {
    outputs: [{ path, contentType, durationS, ...sizes }],
    usage: { audioS: durationS },
    loadMs,
  };
}
