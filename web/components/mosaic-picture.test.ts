import { expect, it } from 'vitest';
import { COLUMNS, ROWS, drawMosaic } from './mosaic-picture.ts';

it('draws the same tiles each time, one for every place', () => {
  const tiles = drawMosaic();
  expect(drawMosaic()).toEqual(tiles);
  expect(
    tiles
      .map((tile) => tile.path)
      .join('')
      .split('Z').length - 1,
  ).toBe(COLUMNS * ROWS);
});
