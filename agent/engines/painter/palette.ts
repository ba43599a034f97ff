/**
 * The light of a picture: sky, haze, land and accent colours for a time of day, chosen by the
 * seed and leaned towards the colours a prompt names. Pure.
 */
import { blend, hex, lean, tune } from './colour.ts';
import type { Rgb } from './colour.ts';
import { pick } from '../noise.ts';
import type { Rng } from '../noise.ts';
import type { Hour, Plan } from './prompt.ts';

export interface Palette {
  readonly hour: Hour;
  /** From the zenith down to the horizon. */
  readonly sky: readonly Rgb[];
  /** The disc of the sun or moon, and the light it gives. */
  readonly light: Rgb;
  readonly cloudLit: Rgb;
  readonly cloudShade: Rgb;
  /** Land: the farthest and the nearest. */
  readonly far: Rgb;
  readonly near: Rgb;
  /** Grass, sand or snow close by. */
  readonly ground: Rgb;
  readonly water: Rgb;
  readonly accents: readonly Rgb[];
  /** How bright things are that do not shine, 0 to 1. */
  readonly day: number;
}

type Row = readonly [sky: string, light: string, cloud: string, land: string];

const HOURS: Readonly<Record<Hour, readonly Row[]>> = {
  dawn: [
    ['#465a90 #8f86ad #e0a6a6 #ffd9ac', '#fff0cf', '#ffd7c2 #8c84ab', '#b597ad #272c46'],
    ['#6f97bd #a9bdcb #efcfbd #ffe7c0', '#fff6dd', '#fff0e0 #9aa5bf', '#a9b3c4 #2c3d45'],
    ['#38406f #7a5c8f #d9808c #ffc48f', '#ffe9c0', '#ffc0ae #6f6296', '#a3758f #201d38'],
  ],
  day: [
    ['#2a6bb3 #5b9dd2 #9fcbe4 #e3f0ee', '#fffbe8', '#ffffff #a9bdd3', '#a3bdd1 #22403a'],
    ['#1c7fae #56adc7 #a9d6d6 #f5efd8', '#fff7da', '#fffdf2 #b3c3cd', '#a9c3c6 #1f463b'],
    ['#3f77b8 #7fb0dc #bcdbea #f2ede3', '#fffaf0', '#ffffff #b8c4da', '#b1c1d4 #2b4a33'],
  ],
  dusk: [
    ['#241f4d #6b2f69 #c9476b #ff8f4f #ffc978', '#ffe6a8', '#ff9a76 #5c3566', '#a04f72 #150f2b'],
    ['#1f3a60 #5d6489 #c9787a #f2a46f #f9d79b', '#fff0c2', '#ffc09a #6d6487', '#a2707f #1b2238'],
    ['#33215c #803a7f #d9546f #ff9b5e #ffd48a', '#fff0b8', '#ffab8c #6f3f7d', '#b3587a #1a1030'],
    ['#123a52 #2f6a7c #8fa08e #f0b56c #ffd98c', '#fff2c4', '#ffd6a3 #57717f', '#7d8a8c #10262f'],
  ],
  night: [
    ['#040918 #0b1b3f #1a3566 #35568c', '#f7f2dc', '#4a6592 #10203f', '#27446f #02050d'],
    ['#080518 #1d1145 #3a2670 #644897', '#f4ecff', '#5f4f8f #1b1338', '#43337a #05030f'],
    ['#03121a #08303b #125259 #2b7f80', '#eefaf0', '#3f7f83 #0b2a33', '#1f5d66 #02090c'],
  ],
};

function rowOf(row: Row): { sky: Rgb[]; light: Rgb; clouds: Rgb[]; land: Rgb[] } {
  const colours = (text: string): Rgb[] => text.split(' ').map(hex);
  return {
    sky: colours(row[0]),
    light: hex(row[1]),
    clouds: colours(row[2]),
    land: colours(row[3]),
  };
}

const ACCENTS: readonly string[] = [
  '#e4572e #f3a712 #a8c686 #669bbc #29335c',
  '#ef476f #ffd166 #06d6a0 #118ab2 #073b4c',
  '#d1495b #edae49 #66a182 #2e4057 #8d96a3',
  '#f25f5c #ffe066 #247ba0 #70c1b3 #50514f',
  '#9b2226 #ee9b00 #e9d8a6 #94d2bd #005f73',
  '#e07a5f #f4f1de #3d405b #81b29a #f2cc8f',
];

const GROUNDS: Readonly<Record<string, string>> = {
  winter: '#e6edf5',
  autumn: '#b5762f',
  spring: '#7fb04f',
  summer: '#6f9a3c',
  none: '#5f8a43',
};

/** Things that take the colour a prompt names. */
const SUBJECTS = ['cat', 'dog', 'house', 'balloon', 'tree', 'person', 'lighthouse'] as const;

function hourOf(plan: Plan, rng: Rng): Hour {
  if (plan.hour !== null) return plan.hour;
  if (plan.scene === 'space' || plan.words.has('cyberpunk') || plan.words.has('neon'))
    return 'night';
  if (plan.scene === 'flowers') return pick(rng, ['day', 'day', 'dawn']);
  if (plan.scene === 'city') return pick(rng, ['dusk', 'dusk', 'night', 'dawn']);
  return pick(rng, ['dawn', 'day', 'dusk', 'dusk']);
}

/** The palette of a plan; the same generator state gives the same one. */
export function makePalette(plan: Plan, rng: Rng): Palette {
  const hour = hourOf(plan, rng);
  const row = rowOf(pick(rng, HOURS[hour]));
  const accents = pick(rng, ACCENTS).split(' ').map(hex);
  const day = { dawn: 0.72, day: 1, dusk: 0.55, night: 0.22 }[hour];
  const [first, second = first] = plan.colours;
  // A red rose is a red flower, not a red world.
  const named = plan.scene === 'flowers' || SUBJECTS.some((figure) => plan.figures.has(figure));
  const reach = named ? 0.22 : 1;
  const turn = (colour: Rgb, towards: Rgb | undefined, weight: number): Rgb =>
    towards === undefined ? colour : lean(colour, towards, weight * reach);
  const dull = { clear: 0, cloudy: 0.25, rain: 0.55, snow: 0.45, fog: 0.5, storm: 0.65 }[
    plan.weather
  ];
  const soften = (colour: Rgb): Rgb =>
    dull === 0
      ? colour
      : tune(colour, { chroma: 1 - dull * 0.75, light: plan.weather === 'storm' ? -0.12 : 0 });
  const sky = row.sky.map((c, i) => soften(turn(c, i < 2 ? first : second, 0.75)));
  const haze = sky.at(-1)!;
  const ground = hex(GROUNDS[plan.season ?? (plan.weather === 'snow' ? 'winter' : 'none')]!);
  const shade = blend(row.land[1]!, haze, 0.12);
  return {
    hour,
    sky,
    light: turn(row.light, first, 0.25),
    cloudLit: soften(turn(row.clouds[0]!, second, 0.55)),
    cloudShade: soften(turn(row.clouds[1]!, first, 0.6)),
    far: soften(turn(blend(row.land[0]!, haze, 0.25), second, 0.6)),
    near: soften(turn(row.land[1]!, second, 0.45)),
    ground: soften(
      turn(
        blend(
          shade,
          ground,
          (plan.season === 'winter' ? 0.42 : 0.2) + day * (plan.season === 'winter' ? 0.52 : 0.72),
        ),
        second,
        second === first ? 0.2 : 0.6,
      ),
    ),
    water: soften(turn(blend(row.sky[0]!, hex('#0b4a5c'), 0.5), second, 0.6)),
    accents:
      plan.colours.length > 0
        ? [...plan.colours, ...accents.map((c) => turn(c, first, 0.4))]
        : accents,
    day,
  };
}
