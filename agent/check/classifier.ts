/**
 * The look at what was made, before any of it is sent: every picture, and of a video its first
 * frame. Which classifier looks, is pluggable. What it blocks never leaves the box, and the job
 * fails as `content_blocked`; when it cannot look, nothing is sent either.
 */
import { EngineError } from '../engines/engine.ts';
import type { Output } from '../engines/engine.ts';

/** What a classifier says of one picture. */
export interface Verdict {
  readonly blocked: boolean;
  /** What it took the picture for; for the operator's log only. */
  readonly label: string;
  /** Its certainty, 0 to 1. */
  readonly score: number;
}

export interface Classifier {
  /** Looks at a picture file of a usual format; rejects when it cannot. */
  classify(path: string, signal: AbortSignal): Promise<Verdict>;
  close(): Promise<void>;
}

/** One look takes this long at most, the loading of a model included. */
const LOOK_MS_MAX = 60_000;

/** Resolves when all outputs may be sent; rejects with an `EngineError` when one may not. */
export async function checkOutputs(
  outputs: readonly Output[],
  classifier: Classifier,
  signal: AbortSignal,
): Promise<void> {
  for (const path of outputs.flatMap(pictureOf)) {
    const within = AbortSignal.any([signal, AbortSignal.timeout(LOOK_MS_MAX)]);
    const { blocked, label, score } = await look(classifier, path, within);
    if (!blocked) continue;
    const detail = `the output check blocked it: ${label}, ${score.toFixed(2)}`;
    throw new EngineError({ code: 'content_blocked', retryable: false, detail });
  }
}

async function look(classifier: Classifier, path: string, signal: AbortSignal): Promise<Verdict> {
  try {
    return await classifier.classify(path, signal);
  } catch (error) {
    const detail = `the output check failed, so nothing is sent: ${String(error)}`;
    throw new EngineError({ code: 'job_failed', retryable: true, detail });
  }
}

/** The picture to look at. A video without one cannot be looked at, hence is not sent. */
function pictureOf({ path, contentType, thumbnail }: Output): readonly string[] {
  if (contentType.startsWith('image/')) return [path];
  if (!contentType.startsWith('video/')) return [];
  if (thumbnail) return [thumbnail.path];
  const detail = 'a video without a first frame cannot be checked, so it is not sent';
  throw new EngineError({ code: 'job_failed', retryable: true, detail });
}
