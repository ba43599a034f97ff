/** The process of the animator: paints the picture, then films it frame by frame. */
import { assert } from '#schema/assert.ts';
import type { Output } from '../engine.ts';
import { encodePreview } from '../painter/file.ts';
import { frameOf, MARGIN } from '../painter/motion.ts';
import { begin, finish, sketch, step } from '../painter/picture.ts';
import type { Pixels } from '../painter/picture.ts';
import { readPrompt } from '../painter/prompt.ts';
import { serve } from '../serve.ts';
import type { Emit } from '../serve.ts';
import { openMp4, openWebp, posterOf, WEBP_FPS_MAX } from './film.ts';

export interface AnimatorRequest {
  readonly prompt: string;
  readonly width: number;
  readonly height: number;
  readonly steps: number;
  readonly seed: number;
  readonly fps: number;
  readonly durationS: number;
  readonly directory: string;
  /** Null: there is none. */
  readonly ffmpeg: string | null;
}

export type AnimatorEvent =
  /** Of all work, 0 to 1. */
  | { readonly kind: 'progress'; readonly fraction: number }
  | { readonly kind: 'preview'; readonly webp: Uint8Array };

/** Painting is this share of the work. */
const PAINTING_SHARE = 0.4;
const PREVIEW_MS = 250;
const PREVIEW_SIDE_PX = 256;

async function paint(request: AnimatorRequest, emit: Emit<AnimatorEvent>): Promise<Pixels> {
  const [width, height] = [grown(request.width), grown(request.height)];
  const painting = begin({ ...request, width, height });
  let shownAt = performance.now();
  for (let number = 1; number <= request.steps; number++) {
    step(painting, number);
    await emit({ kind: 'progress', fraction: (number / request.steps) * PAINTING_SHARE });
    if (performance.now() - shownAt < PREVIEW_MS) continue;
    shownAt = performance.now();
    const webp = await encodePreview(sketch(painting, PREVIEW_SIDE_PX));
    if (webp) await emit({ kind: 'preview', webp });
  }
  return finish(painting);
}

function grown(side: number): number {
  return Math.round(side * (1 + MARGIN));
}

async function film(
  picture: Pixels,
  request: AnimatorRequest,
  emit: Emit<AnimatorEvent>,
): Promise<Output> {
  const { prompt, seed, width, height, directory, durationS: lengthS, ffmpeg } = request;
  const fps = ffmpeg === null ? Math.min(WEBP_FPS_MAX, request.fps) : request.fps;
  const shape = { width, height, fps };
  const reel =
    ffmpeg === null ? await openWebp(shape, directory) : openMp4(ffmpeg, shape, directory);
  const motion = { plan: readPrompt(prompt), seed, width, height };
  const frames = Math.max(1, Math.round(lengthS * fps));
  let thumbnail: Output['thumbnail'] = null;
  try {
    for (let frame = 0; frame < frames; frame++) {
      const rgb = frameOf(picture, motion, { at: frame / fps, lengthS });
      thumbnail ??= await posterOf(rgb, shape, directory);
      await reel.add(rgb);
      const share = (frame + 1) / frames;
      await emit({ kind: 'progress', fraction: PAINTING_SHARE + share * (1 - PAINTING_SHARE) });
    }
    assert(thumbnail, 'a film has a first frame');
    const { path, contentType } = await reel.end();
    return { path, contentType, width, height, durationS: frames / fps, thumbnail };
  } finally {
    await reel.close();
  }
}

serve<AnimatorRequest, AnimatorEvent, Output>({
  load: () => Promise.resolve(),
  handle: async (request, emit) => film(await paint(request, emit), request, emit),
});
