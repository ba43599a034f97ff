/**
 * Reads a prompt the way a painter would: which scene, what time of day, weather, manner,
 * colours and figures. Plain word lists, no language model; a prompt without a known word gives
 * an abstract picture chosen by its hash. Pure.
 */
import { hex } from './colour.ts';
import type { Rgb } from './colour.ts';
import { hashText } from '../noise.ts';

export const SCENES = [
  'mountains',
  'lake',
  'sea',
  'forest',
  'city',
  'desert',
  'space',
  'flowers',
  'hills',
  'portrait',
  'abstract',
] as const;
type SceneKind = (typeof SCENES)[number];
export type Hour = 'dawn' | 'day' | 'dusk' | 'night';
type Weather = 'clear' | 'cloudy' | 'rain' | 'snow' | 'fog' | 'storm';
export type Manner = 'oil' | 'watercolour' | 'poster';
const FIGURES = [
  'cat',
  'dog',
  'person',
  'bird',
  'boat',
  'balloon',
  'house',
  'lighthouse',
  'tree',
  'palm',
  'pyramid',
  'cactus',
  'whale',
  'ship',
  'moon',
  'sun',
  'stars',
  'aurora',
  'rainbow',
  'planet',
] as const;
export type Figure = (typeof FIGURES)[number];

export interface Plan {
  readonly scene: SceneKind;
  readonly hour: Hour | null;
  readonly weather: Weather;
  readonly manner: Manner;
  readonly season: 'spring' | 'summer' | 'autumn' | 'winter' | null;
  readonly colours: readonly Rgb[];
  readonly figures: ReadonlySet<Figure>;
  /** Words that only one scene looks at: kinds of flowers, neon, a crown. */
  readonly words: ReadonlySet<string>;
  readonly hash: number;
}

type Lexicon<T extends string> = readonly (readonly [T, string])[];

const SCENE_WORDS: Lexicon<SceneKind> = [
  ['portrait', 'portrait face woman girl lady queen princess king model self-portrait bust'],
  [
    'space',
    'space galaxy nebula planet planets cosmos cosmic universe orbit asteroid saturn jupiter mars milky starship spaceship',
  ],
  [
    'city',
    'city cityscape skyline skyscraper skyscrapers town street downtown metropolis tokyo paris london york urban cyberpunk neon building buildings',
  ],
  [
    'sea',
    'sea ocean beach wave waves coast shore seaside seascape island harbor harbour bay surf tropical lagoon lighthouse whale ship sailboat sailing',
  ],
  ['lake', 'lake river pond fjord reflection reflections creek reservoir'],
  ['desert', 'desert dune dunes sahara sand pyramid pyramids egypt camel oasis canyon cactus mesa'],
  [
    'forest',
    'forest woods wood woodland jungle pine pines fir firs grove redwood taiga rainforest trees enchanted',
  ],
  [
    'flowers',
    'flower flowers floral garden meadow rose roses tulip tulips daisy daisies poppy poppies sunflower sunflowers lavender bouquet blossom blossoms wildflowers bloom lily peony orchid',
  ],
  [
    'mountains',
    'mountain mountains peak peaks alps himalaya cliff cliffs valley highland highlands volcano everest fuji ridge glacier range',
  ],
  [
    'hills',
    'hill hills field fields countryside village farm landscape prairie pasture vineyard tuscany plain grassland steppe cottage balloon balloons house home cabin cat kitten cats dog puppy dogs person man boy child walker sunset sunrise sky moon rainbow tree aurora stars night',
  ],
  [
    'abstract',
    'abstract geometric pattern shapes bauhaus minimalism kandinsky mondrian composition fractal',
  ],
];
const HOUR_WORDS: Lexicon<Hour> = [
  ['night', 'night midnight moon moonlight moonlit starry stars nocturne dark aurora northern'],
  ['dawn', 'dawn sunrise morning daybreak early'],
  ['dusk', 'dusk sunset evening twilight golden sundown'],
  ['day', 'day noon sunny midday afternoon daylight bright blue-sky'],
];
const WEATHER_WORDS: Lexicon<Weather> = [
  ['storm', 'storm stormy thunder thunderstorm lightning tempest'],
  ['rain', 'rain rainy raining drizzle monsoon'],
  ['snow', 'snowfall blizzard christmas snowing snowstorm snowflakes flurry'],
  ['fog', 'fog foggy mist misty haze hazy'],
  ['cloudy', 'cloud clouds cloudy overcast grey-sky'],
];
const MANNER_WORDS: Lexicon<Manner> = [
  ['watercolour', 'watercolor watercolour aquarelle wash gouache ink sketch pastel'],
  [
    'poster',
    'poster minimal minimalist minimalism flat vector graphic simple screenprint woodblock ukiyo-e print illustration cartoon logo',
  ],
];
const SEASON_WORDS: Lexicon<'spring' | 'summer' | 'autumn' | 'winter'> = [
  ['winter', 'winter snow snowy frost frozen ice icy christmas blizzard'],
  ['autumn', 'autumn fall autumnal october november maple harvest'],
  ['spring', 'spring blossom blossoms cherry sakura april'],
  ['summer', 'summer july august'],
];
const FIGURE_WORDS: Lexicon<Figure> = [
  ['cat', 'cat cats kitten kittens kitty feline'],
  ['dog', 'dog dogs puppy hound'],
  [
    'person',
    'person man woman girl boy child walker traveller traveler wanderer hiker astronaut figure couple',
  ],
  [
    'bird',
    'bird birds seagull seagulls gull gulls swallow swallows crane cranes eagle raven crow flock geese',
  ],
  ['boat', 'boat sailboat sail sailing yacht boats'],
  ['ship', 'ship galleon pirate vessel ships'],
  ['balloon', 'balloon balloons airship'],
  ['house', 'house home cabin cottage hut farm barn village farmhouse houses'],
  ['lighthouse', 'lighthouse beacon'],
  ['tree', 'tree oak willow'],
  ['palm', 'palm palms tropical oasis lagoon coconut'],
  ['pyramid', 'pyramid pyramids egypt giza'],
  ['cactus', 'cactus cacti saguaro mexico arizona'],
  ['whale', 'whale whales'],
  ['moon', 'moon moonlight moonlit'],
  ['sun', 'sun sunny sunrise sunset'],
  ['stars', 'stars star starry starlight'],
  ['aurora', 'aurora borealis northern'],
  ['rainbow', 'rainbow rainbows'],
  ['planet', 'planet planets saturn jupiter mars'],
];
const SCENE_DETAILS =
  'king queen prince princess man boy rose roses tulip tulips daisy daisies poppy poppies sunflower sunflowers lavender lily peony cyberpunk neon volcano saturn cherry sakura wave waves beach';

const COLOURS: Readonly<Record<string, string>> = {
  red: '#d62f3a',
  crimson: '#b3122f',
  scarlet: '#e0301e',
  ruby: '#a8123a',
  pink: '#f283b6',
  rose: '#e8738f',
  magenta: '#c927a0',
  purple: '#7a3fc0',
  violet: '#7b4fd0',
  lavender: '#a48fe0',
  indigo: '#4338a8',
  blue: '#2c66d6',
  navy: '#1c3170',
  azure: '#3f9be8',
  turquoise: '#22b8b0',
  teal: '#14837f',
  cyan: '#24c3dc',
  aqua: '#3fd0c9',
  green: '#3a9a4a',
  emerald: '#12946a',
  lime: '#9ccc2e',
  olive: '#7d7f2a',
  yellow: '#f4cf2f',
  gold: '#e2a829',
  orange: '#f08327',
  amber: '#f2a52c',
  peach: '#f8b890',
  coral: '#f2755c',
  brown: '#7d5333',
  sepia: '#9a7246',
  white: '#f4f1ea',
  grey: '#8c8f94',
  gray: '#8c8f94',
  black: '#17171c',
  silver: '#b9c0ca',
  monochrome: '#8c8f94',
  neon: '#f02fc2',
  pastel: '#e9b7cf',
  mint: '#86d8b0',
};

function find<T extends string>(lexicon: Lexicon<T>, words: ReadonlySet<string>): T[] {
  return lexicon
    .filter(([, list]) => list.split(' ').some((word) => words.has(word)))
    .map(([k]) => k);
}

/** Everything the painter takes from a prompt. */
export function readPrompt(prompt: string): Plan {
  const text = prompt.toLowerCase().normalize('NFKC').trim();
  const list = text.match(/\p{L}[\p{L}'-]*/gu) ?? [];
  const words = new Set(list.flatMap((word) => [word, ...word.split('-')]));
  const found = find(SCENE_WORDS, words);
  const details = SCENE_DETAILS.split(' ').filter((word) => words.has(word));
  const bluesky = words.has('blue') && (words.has('sky') || words.has('skies'));
  const hour = find(HOUR_WORDS, words)[0] ?? (bluesky ? 'day' : null);
  return {
    scene: sceneOf(found, words),
    hour,
    weather: find(WEATHER_WORDS, words)[0] ?? 'clear',
    manner: find(MANNER_WORDS, words)[0] ?? 'oil',
    season: find(SEASON_WORDS, words)[0] ?? null,
    colours: list
      .flatMap((word) => (Object.hasOwn(COLOURS, word) ? [hex(COLOURS[word]!)] : []))
      .slice(0, 3),
    figures: new Set(find(FIGURE_WORDS, words)),
    words: new Set(details),
    hash: hashText(text),
  };
}

function sceneOf(found: readonly SceneKind[], words: ReadonlySet<string>): SceneKind {
  if (words.has('abstract') || words.has('geometric')) return 'abstract';
  // "Mountains over a lake" is one picture, as is "a city by the sea".
  if (found.includes('mountains') && (found.includes('lake') || found.includes('sea')))
    return 'lake';
  if (found.includes('space') && found.some((kind) => kind !== 'space' && kind !== 'hills')) {
    return found.find((kind) => kind !== 'space')!;
  }
  if (
    found.includes('portrait') &&
    found.length > 1 &&
    !words.has('portrait') &&
    !words.has('face')
  ) {
    return found.find((kind) => kind !== 'portrait')!;
  }
  return found[0] ?? 'abstract';
}
