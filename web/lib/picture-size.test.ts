import { expect, it } from 'vitest';
import { ImageRequest } from '#schema/job.ts';
import { SHAPES, SIDES_PX, sizeOf } from './picture-size.ts';

it('offers only sizes that the API takes', () => {
  for (const { id } of SHAPES) {
    for (const side of SIDES_PX) {
      const size = sizeOf(id, side);
      expect(Math.max(size.width, size.height)).toBe(side);
      expect(ImageRequest.safeParse({ type: 'image', prompt: 'a', ...size }).success).toBe(true);
    }
  }
});
