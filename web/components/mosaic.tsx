'use client';
/** The mosaic with its one lit window: lit while a GPU is online. Decoration; the status is text. */
import { COLUMNS, ROWS, TILE, drawMosaic } from './mosaic-picture.ts';
import type { Colour } from './mosaic-picture.ts';

const TILES = drawMosaic();

const FILL: Readonly<Record<Colour, string>> = {
  'sky-0': 'fill-(--m-sky-0)',
  'sky-1': 'fill-(--m-sky-1)',
  'sky-2': 'fill-(--m-sky-2)',
  'sky-3': 'fill-(--m-sky-3)',
  'sky-4': 'fill-(--m-sky-4)',
  'sky-5': 'fill-(--m-sky-5)',
  'sky-6': 'fill-(--m-sky-6)',
  star: 'fill-(--m-star)',
  moon: 'fill-(--m-moon)',
  'hill-0': 'fill-(--m-hill-0)',
  'hill-1': 'fill-(--m-hill-1)',
  'hill-2': 'fill-(--m-hill-2)',
  'wall-0': 'fill-(--m-wall-0)',
  'wall-1': 'fill-(--m-wall-1)',
  'roof-0': 'fill-(--m-roof-0)',
  'roof-1': 'fill-(--m-roof-1)',
  door: 'fill-(--m-door)',
  glow: 'tile-glow',
  'glow-2': 'tile-glow tile-glow-2',
  'glow-3': 'tile-glow tile-glow-3',
};

export function Mosaic({ lit }: { lit: boolean }) {
  return (
    <svg
      viewBox={`0 0 ${COLUMNS * TILE} ${ROWS * TILE}`}
      className="block h-auto w-full rounded-2xl bg-(--m-grout) shadow-lg"
      data-lit={lit}
      aria-hidden="true"
      focusable="false"
    >
      {TILES.map(({ colour, path }) => (
        <path key={colour} d={path} className={FILL[colour]} />
      ))}
    </svg>
  );
}
