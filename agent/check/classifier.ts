/**
 * The look at what was made, before any of it is sent: every picture, and several of each video,
 * spread over its length, by ffmpeg; without that only its first frame. Which classifier looks,
 * is pluggable. What it blocks never leaves the box, and the job fails as `content_blocked`; when
 * it cannot look, nothing is sent either.
 */
import { EngineError } from '../engines/engine.ts';
import type { Output } from '../engines/engine.ts';
import { findCommand } from '../engines/ffmpeg.ts';
import { withFrames } from './frames.ts';

/** What a classifier says of one picture. */
export interface Verdict {
  readonly blocked: boolean;
  /** What it took the picture for; for the operator's log only. */
  readonly label: string;
  /** Its certainty, 0 to 1. */
  readonly score: number;
}

export interface Classifier {
  /** Looks at a picture file of a usual format, moving or not; rejects when it cannot. */
  classify(path: string, signal: AbortSignal): Promise<Verdict>;
  close(): Promise<void>;
}

/** One look takes this long at most, the loading of a model included. */
const LOOK_MS_MAX = 60_000;

interface CheckParts {
  readonly classifier: Classifier;
  /** Folder of the run, for what is taken from a video to be looked at. */
  readonly directory: string;
  readonly signal: AbortSignal;
  /** Looked for when it is not given; null stands for none. */
  readonly ffmpeg?: string | null;
}

/** Resolves when all outputs may be sent; rejects with an `EngineError` when one may not. */
export async function checkOutputs(outputs: readonly Output[], parts: CheckParts): Promise<void> {
  for (const output of outputs) {
    const { path, contentType } = output;
    if (contentType.startsWith('image/')) await checkPictures([path], parts);
    if (contentType.startsWith('video/')) await checkVideo(output, parts);
  }
}

async function checkVideo(video: Output, parts: CheckParts): Promise<void> {
  const { directory, signal } = parts;
  // What is shown of it first is looked at first: often that is enough.
  const first = video.thumbnail ? [video.thumbnail.path] : [];
  await checkPictures(first, parts);
  const { ffmpeg = await findCommand('ffmpeg', signal) } = parts;
  // It then looks like one that is not there.
  signal.throwIfAborted();
  if (ffmpeg !== null) {
    const looking = withFrames(video, { ffmpeg, directory, signal }, (pictures) =>
      checkPictures(pictures, parts),
    );
    await looking.catch((error: unknown) => {
      throw error instanceof EngineError ? error : blind(error);
    });
  } else if (first.length === 0) throw blind('a video without a first frame, and no ffmpeg');
}

async function checkPictures(
  paths: readonly string[],
  { classifier, signal }: CheckParts,
): Promise<void> {
  for (const path of paths) {
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
    throw blind(error);
  }
}

function blind(why: unknown): EngineError {
  const detail = `the output check failed, so nothing is sent: ${String(why)}`;
  return new EngineError({ code: 'job_failed', retryable: true, detail });
}
