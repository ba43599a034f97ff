/**
 * Reads a prompt for music: a style, a mood, a tempo and instruments, from word lists. A prompt
 * without a known word gets a style by its hash. Pure.
 */
import { STYLES } from './style.ts';
import type { Style, StyleName } from './style.ts';
import { hashText } from '../noise.ts';

const STYLE_WORDS: readonly (readonly [StyleName, string])[] = [
  ['lofi', 'lofi lo-fi chillhop study chill'],
  ['jazz', 'jazz jazzy swing bebop blues smoky noir lounge'],
  ['chip', 'chiptune 8-bit 8bit bit retro arcade videogame nintendo pixel game'],
  ['lullaby', 'lullaby baby sleep bedtime cradle musicbox'],
  ['waltz', 'waltz ballroom carousel viennese'],
  [
    'epic',
    'epic cinematic trailer heroic battle hero adventure war orchestral orchestra triumphant film movie fantasy',
  ],
  ['dark', 'dark horror scary creepy haunted sinister doom eerie gothic'],
  ['celtic', 'celtic irish scottish fiddle tavern medieval viking pirate'],
  ['latin', 'latin bossa nova samba salsa tango flamenco brazil cuban spanish'],
  ['eastern', 'eastern japanese japan chinese koto zen arabic oriental indian sitar persian'],
  ['rock', 'rock metal punk guitar-riff grunge band'],
  [
    'electronic',
    'electronic techno house trance edm synth synthwave dance club rave disco cyberpunk neon dubstep',
  ],
  [
    'ambient',
    'ambient space drone meditation meditative atmospheric ethereal floating spa yoga underwater cosmic',
  ],
  ['folk', 'folk country acoustic campfire banjo bluegrass americana'],
  [
    'classical',
    'classical baroque mozart bach symphony chamber quartet sonata violin strings elegant',
  ],
  [
    'piano',
    'piano ballad romantic nostalgic melancholy melancholic sad rain rainy solo tender emotional',
  ],
  ['pop', 'pop upbeat happy cheerful summer sunny fun ukulele party joyful corporate catchy'],
];

const BRIGHT =
  'happy cheerful joyful sunny bright upbeat hopeful triumphant playful fun summer major optimistic';
const SOMBRE =
  'sad melancholy melancholic dark lonely sorrow tragic night rain rainy minor mysterious tense eerie haunted';
const SLOW = 'slow calm relaxing peaceful gentle soft quiet sleepy dreamy sad meditative tender';
const FAST = 'fast energetic intense driving exciting action upbeat frantic racing workout party';

const LEADS: Readonly<Record<string, number>> = {
  piano: 0,
  celesta: 8,
  vibraphone: 11,
  marimba: 12,
  organ: 19,
  accordion: 21,
  harmonica: 22,
  guitar: 24,
  violin: 40,
  fiddle: 110,
  cello: 42,
  harp: 46,
  strings: 48,
  choir: 52,
  trumpet: 56,
  trombone: 57,
  horn: 60,
  brass: 61,
  saxophone: 66,
  sax: 66,
  oboe: 68,
  clarinet: 71,
  flute: 73,
  recorder: 74,
  panflute: 75,
  whistle: 78,
  synth: 81,
  sitar: 104,
  banjo: 105,
  koto: 107,
  kalimba: 108,
  bagpipes: 109,
  ocarina: 79,
  ukulele: 24,
};

export interface Mood {
  readonly style: Style;
  readonly styleName: StyleName;
  /** 1 bright, -1 sombre, 0 as the style has it. */
  readonly tone: -1 | 0 | 1;
  /** Beats a minute, when the prompt names them. */
  readonly bpm: number | null;
  /** Factor on the style's tempo. */
  readonly pace: number;
  readonly leads: readonly number[];
  readonly drums: boolean;
  readonly hash: number;
}

/** Everything the composer takes from a prompt. */
export function readMood(prompt: string): Mood {
  const text = prompt.toLowerCase().normalize('NFKC').trim();
  const list = text.match(/[\p{L}\d][\p{L}\d'-]*/gu) ?? [];
  const words = new Set(list.flatMap((word) => [word, ...word.split('-')]));
  const any = (group: string): boolean => group.split(' ').some((word) => words.has(word));
  const hash = hashText(text);
  const names = Object.keys(STYLES) as StyleName[];
  const styleName = STYLE_WORDS.find(([, group]) => any(group))?.[0] ?? names[hash % names.length]!;
  const bpm = /\b(\d{2,3})\s*bpm\b/.exec(text);
  const asked = bpm === null ? null : Number(bpm[1]);
  return {
    style: STYLES[styleName],
    styleName,
    tone: any(SOMBRE) ? -1 : any(BRIGHT) ? 1 : 0,
    bpm: asked !== null && asked >= 40 && asked <= 220 ? asked : null,
    pace: (any(SLOW) ? 0.88 : 1) * (any(FAST) ? 1.12 : 1),
    leads: list.flatMap((word) => (Object.hasOwn(LEADS, word) ? [LEADS[word]!] : [])),
    drums: !/\b(no|without) (drums|percussion|beat)\b/.test(text),
    hash,
  };
}
