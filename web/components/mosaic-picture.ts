/**
 * The picture at the top, tile by tile: a house by night with one lit window, and the lights of
 * those it serves on the hills. Pure and deterministic: the server's markup and the browser's
 * are the same. Tiles of one colour are one SVG path.
 */
export const COLUMNS = 30;
export const ROWS = 24;
export const TILE = 20;

/** CSS colour names of `globals.css`; `glow` tiles are lit while a GPU is online. */
export type Colour =
  | `sky-${0 | 1 | 2 | 3 | 4 | 5 | 6}`
  | 'star'
  | 'moon'
  | `hill-${0 | 1 | 2}`
  | 'wall-0'
  | 'wall-1'
  | 'roof-0'
  | 'roof-1'
  | 'door'
  | 'glow'
  | 'glow-2'
  | 'glow-3';

const STARS = ['3,2', '7,5', '12,1', '16,4', '10,8', '19,1', '27,7', '1,7', '18,9', '28,1', '5,10'];
const MOON = [
  ...['23,2', '24,2', '22,3', '23,3', '24,3', '25,3'],
  ...['22,4', '23,4', '24,4', '25,4', '23,5', '24,5'],
];
const LIGHTS: Readonly<Record<string, Colour>> = {
  '1,17': 'glow-2',
  '4,19': 'glow-3',
  '2,21': 'glow',
  '25,15': 'glow-3',
  '28,17': 'glow-2',
  '23,18': 'glow',
  '27,20': 'glow-3',
  '20,21': 'glow-2',
  '7,22': 'glow-3',
};

/** The SVG path of each colour's tiles. */
export function drawMosaic(): readonly { colour: Colour; path: string }[] {
  const paths = new Map<Colour, string>();
  const random = createRandom(7);
  for (let y = 0; y < ROWS; y += 1) {
    for (let x = 0; x < COLUMNS; x += 1) {
      const colour = colourAt({ x, y, noise: random() });
      paths.set(colour, (paths.get(colour) ?? '') + drawTile(x, y, random));
    }
  }
  return [...paths].map(([colour, path]) => ({ colour, path }));
}

function colourAt(tile: { x: number; y: number; noise: number }): Colour {
  const { x, y, noise } = tile;
  const house = houseAt(x, y, noise);
  if (house) return house;
  const hill = hillAt(x, y, noise);
  if (hill) return LIGHTS[`${x},${y}`] ?? hill;
  if (MOON.includes(`${x},${y}`)) return 'moon';
  if (STARS.includes(`${x},${y}`)) return 'star';
  const shade = Math.floor((y / 17) * 7 + (noise - 0.5) * 1.3);
  return `sky-${Math.min(6, Math.max(0, shade)) as 0 | 1 | 2 | 3 | 4 | 5 | 6}`;
}

function houseAt(x: number, y: number, noise: number): Colour | null {
  const middle = 13;
  if (x === 16 && y >= 8 && y <= 11) return noise > 0.5 ? 'roof-1' : 'roof-0';
  if (y >= 9 && y <= 13 && Math.abs(x - middle) <= y - 8) return noise > 0.45 ? 'roof-0' : 'roof-1';
  if (y < 14 || y > 19 || Math.abs(x - middle) > 4) return null;
  if (x >= 10 && x <= 12 && y >= 15 && y <= 17) return 'glow';
  if ((x === 15 || x === 16) && y >= 16) return 'door';
  return noise > 0.4 ? 'wall-0' : 'wall-1';
}

function hillAt(x: number, y: number, noise: number): Colour | null {
  const far = 16.2 + 1.7 * Math.sin(x / 4.2 + 0.6);
  const near = 19.2 + 1.3 * Math.sin(x / 5.3 + 3.4);
  if (y >= near) return noise > 0.35 ? 'hill-2' : 'hill-1';
  if (y >= far) return noise > 0.3 ? 'hill-0' : 'hill-1';
  return null;
}

/** A four-cornered stone, each corner a little off. */
function drawTile(x: number, y: number, random: () => number): string {
  const off = () => 0.7 + random() * 1.8;
  const left = x * TILE;
  const top = y * TILE;
  const right = left + TILE;
  const bottom = top + TILE;
  const corners = [
    [left + off(), top + off()],
    [right - off(), top + off()],
    [right - off(), bottom - off()],
    [left + off(), bottom - off()],
  ];
  return `M${corners.map(([cx, cy]) => `${round(cx!)} ${round(cy!)}`).join('L')}Z`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** Mulberry32: small, seeded, the same everywhere. */
function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
