/**
 * The process of the painter: paints one picture after the other, tells each step, sends a small
 * preview now and then, and writes the finished pictures into the run's folder.
 */
import { THUMBNAIL_SIDE_PX } from '#schema/limits.ts';
import type { Output } from '../engine.ts';
import { serve } from '../serve.ts';
import { encodePreview, save } from './file.ts';
import { begin, finish, sketch, step } from './picture.ts';
import type { PictureSpec } from './picture.ts';

export interface PainterRequest extends PictureSpec {
  readonly count: number;
  readonly directory: string;
}

export type PainterEvent =
  | { readonly kind: 'step'; readonly picture: number; readonly step: number }
  | { readonly kind: 'preview'; readonly webp: Uint8Array };

/** Previews come at most this often: making one costs a few milliseconds. */
const PREVIEW_MS = 250;
const SEEDS = 2 ** 32;

serve<PainterRequest, PainterEvent, readonly Output[]>({
  load: () => Promise.resolve(),
  handle: async (request, emit) => {
    let shownAt = performance.now();
    // A picture is encoded, on other threads, while the next one is painted.
    const saving: Promise<Output>[] = [];
    for (let picture = 0; picture < request.count; picture++) {
      const painting = begin({ ...request, seed: (request.seed + picture) % SEEDS });
      for (let number = 1; number <= request.steps; number++) {
        step(painting, number);
        await emit({ kind: 'step', picture, step: number });
        if (number === request.steps || performance.now() - shownAt < PREVIEW_MS) continue;
        shownAt = performance.now();
        const webp = await encodePreview(sketch(painting, THUMBNAIL_SIDE_PX));
        if (webp) await emit({ kind: 'preview', webp });
      }
      const saved = save(finish(painting), { directory: request.directory, index: picture });
      // Awaited below; without this a failure during the painting would count as unhandled.
      saved.catch(() => undefined);
      saving.push(saved);
    }
    return Promise.all(saving);
  },
});
