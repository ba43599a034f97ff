/**
 * The picture sizes on offer: a shape and a longest side, always multiples of 8 pixels.
 * Which sides may be chosen follows from the plan and the model.
 */
import { IMAGE_SIDE_PX_STEP } from '#schema/limits.ts';
import { assert } from '#schema/assert.ts';

export const SHAPES = [
  { id: 'square', title: 'Square', across: 1, down: 1 },
  { id: 'tall', title: 'Tall', across: 3, down: 4 },
  { id: 'wide', title: 'Wide', across: 4, down: 3 },
  { id: 'cinema', title: 'Cinema', across: 16, down: 9 },
] as const;
export type Shape = (typeof SHAPES)[number]['id'];

/** Longest sides, pixels. */
export const SIDES_PX = [512, 1024, 1536, 2048] as const;

/** Pixels of a shape at a longest side. */
export function sizeOf(shape: Shape, sidePx: number): { width: number; height: number } {
  const form = SHAPES.find((entry) => entry.id === shape);
  assert(form, 'a shape is one of SHAPES');
  const longest = Math.max(form.across, form.down);
  const width = (sidePx * form.across) / longest;
  const height = (sidePx * form.down) / longest;
  assert(
    width % IMAGE_SIDE_PX_STEP === 0 && height % IMAGE_SIDE_PX_STEP === 0,
    'a size on offer is a multiple of the step',
  );
  return { width, height };
}
