/**
 * The process of the painter: paints the pictures of one job or of a batch one after the other,
 * tells each step, sends a small preview now and then, and writes the finished pictures into the
 * folder of their job.
 */
import { THUMBNAIL_SIDE_PX } from '#schema/limits.ts';
import type { Output } from '../engine.ts';
import { serve } from '../serve.ts';
import { encodePreview, load, save } from './file.ts';
import { begin, finish, sketch, step } from './picture.ts';
import type { PictureSpec } from './picture.ts';
import type { Original } from './repaint.ts';

export interface PainterJob extends PictureSpec {
  readonly count: number;
  /** Paths of what is painted over, and of where; null when nothing is. */
  readonly input: string | null;
  readonly mask: string | null;
  readonly maskKind: 'mask' | 'holes';
  readonly strength: number;
  readonly upscale: number;
  readonly directory: string;
}

export interface PainterRequest {
  readonly jobs: readonly PainterJob[];
}

/** `job` is a place in the request. */
export type PainterEvent = { readonly job: number } & (
  | { readonly kind: 'step'; readonly picture: number; readonly step: number }
  | { readonly kind: 'preview'; readonly webp: Uint8Array }
  | { readonly kind: 'done'; readonly outputs: readonly Output[] }
  | { readonly kind: 'unreadable'; readonly detail: string }
);

/** Previews come at most this often: making one costs a few milliseconds. */
const PREVIEW_MS = 250;
const SEEDS = 2 ** 32;

serve<PainterRequest, PainterEvent, null>({
  load: () => Promise.resolve(),
  handle: async ({ jobs }, emit, isDropped) => {
    let shownAt = performance.now();
    /** Paints one picture; null when its job was dropped meanwhile. */
    const paint = async (job: number, picture: number, original: Original | null) => {
      const request = jobs[job]!;
      const painting = begin({ ...request, seed: (request.seed + picture) % SEEDS }, original);
      for (let number = 1; number <= request.steps; number++) {
        step(painting, number);
        await emit({ kind: 'step', job, picture, step: number });
        if (isDropped(job)) return null;
        if (number === request.steps || performance.now() - shownAt < PREVIEW_MS) continue;
        shownAt = performance.now();
        const webp = await encodePreview(sketch(painting, THUMBNAIL_SIDE_PX));
        if (webp) await emit({ kind: 'preview', job, webp });
      }
      return finish(painting);
    };
    // A picture is encoded, on other threads, while the next one is painted.
    const ended: Promise<void>[] = [];
    for (const [job, request] of jobs.entries()) {
      const { count, directory, upscale } = request;
      const original = await loadOriginal(request);
      if (typeof original === 'string') {
        await emit({ kind: 'unreadable', job, detail: original });
        continue;
      }
      const saving: Promise<Output>[] = [];
      for (let picture = 0; picture < count && !isDropped(job); picture++) {
        const pixels = await paint(job, picture, original);
        if (pixels) saving.push(save(pixels, { directory, index: picture, upscale }));
        // Awaited below; without this a failure during the painting would count as unhandled.
        saving.at(-1)?.catch(() => undefined);
      }
      const end = Promise.all(saving).then(async (outputs) => {
        if (!isDropped(job)) await emit({ kind: 'done', job, outputs });
      });
      end.catch(() => undefined);
      ended.push(end);
    }
    await Promise.all(ended);
    return null;
  },
});

/** What the job paints over; words when a file of it is no picture. */
async function loadOriginal(job: PainterJob): Promise<Original | null | string> {
  const { input, mask, maskKind: kind, strength, width, height } = job;
  if (input === null) return null;
  try {
    return {
      rgb: await load(input, { width, height, kind: 'rgb' }),
      mask: mask === null ? null : await load(mask, { width, height, kind }),
      strength,
    };
  } catch (error) {
    return `the picture cannot be read: ${(error as Error).message}`;
  }
}
