/** Drum patterns on General MIDI's percussion channel, sixteenths as letters. Pure. */
import type { DrumKit } from './style.ts';

/** Keys of the General MIDI percussion map. */
const KEYS = {
  kick: 36,
  rim: 37,
  snare: 38,
  clap: 39,
  hat: 42,
  pedal: 44,
  open: 46,
  tom: 45,
  high: 50,
  crash: 49,
  ride: 51,
  taiko: 41,
  shaker: 70,
  conga: 63,
  low: 64,
  cowbell: 56,
  brush: 40,
} as const;
type Key = keyof typeof KEYS;

/** x is loud, o softer, . nothing; 16 letters are a bar of four beats. */
type Pattern = Readonly<Partial<Record<Key, string>>>;

const PATTERNS: Readonly<Record<Exclude<DrumKit, 'none'>, readonly Pattern[]>> = {
  soft: [
    { shaker: 'o.o.x.o.o.o.x.o.', kick: 'o.......o.......' },
    { shaker: 'o.o.x.o.o.o.x.oo', kick: 'o.....o.o.......', rim: '....o.......o...' },
  ],
  pop: [
    { kick: 'x.......x.x.....', snare: '....x.......x...', hat: 'x.o.x.o.x.o.x.o.' },
    { kick: 'x..x....x.x...o.', snare: '....x.......x..o', hat: 'xoxoxoxoxoxoxoxo' },
  ],
  rock: [
    { kick: 'x.....x.x.......', snare: '....x.......x...', hat: 'x.x.x.x.x.x.x.x.' },
    { kick: 'x.x...x.x.x.....', snare: '....x.......x..o', ride: 'x.x.x.x.x.x.x.x.' },
  ],
  four: [
    { kick: 'x...x...x...x...', open: '..x...x...x...x.', clap: '....x.......x...' },
    {
      kick: 'x...x...x...x..o',
      open: '..x...x...x...x.',
      clap: '....x.......x...',
      hat: 'oooooooooooooooo',
    },
  ],
  jazz: [
    { ride: 'x...x..xx...x..x', pedal: '....x.......x...', kick: 'o.........o.....' },
    {
      ride: 'x...x..xx...x..x',
      pedal: '....x.......x...',
      brush: '......o....o..o.',
      kick: 'o.....o.........',
    },
  ],
  lofi: [
    { kick: 'x......o..x.....', rim: '....x.......x...', hat: 'o.o.o.o.o.o.o.o.' },
    { kick: 'x......ox.......', snare: '....o.......o...', hat: 'o.o.o.ooo.o.o.o.' },
  ],
  epic: [
    { taiko: 'x.....o.o.......', tom: '............o.o.' },
    { taiko: 'x..o..x.o..o..x.', tom: '....o.......o.o.', snare: 'o.......o.......' },
  ],
  latin: [
    { rim: 'x..x..x...x.x...', shaker: 'x.o.x.o.x.o.x.o.', kick: 'x.....o.x.....o.' },
    {
      rim: 'x..x..x...x.x...',
      conga: '..o...oo..o...oo',
      low: '......x.......x.',
      shaker: 'x.o.x.o.x.o.x.o.',
      kick: 'x.....o.x.....o.',
    },
  ],
  chip: [
    { kick: 'x.....x.x.......', snare: '....x.......x...', hat: 'o.o.o.o.o.o.o.o.' },
    { kick: 'x..x..x.x..x....', snare: '....x.......x.o.', hat: 'oooooooooooooooo' },
  ],
};

interface Hit {
  /** Beats from the bar's start. */
  readonly at: number;
  readonly key: number;
  readonly velocity: number;
}

/** The hits of one bar; `intensity` above a half takes the fuller pattern. */
export function drumBar(
  kit: DrumKit,
  bar: { beats: number; intensity: number; fill: boolean; crash: boolean },
): Hit[] {
  if (kit === 'none') return [];
  const pattern = PATTERNS[kit][bar.intensity > 0.62 ? 1 : 0]!;
  const hits: Hit[] = [];
  const sixteenths = bar.beats * 4;
  const loud = 0.6 + bar.intensity * 0.4;
  for (const [name, letters] of Object.entries(pattern) as [Key, string][]) {
    for (let i = 0; i < sixteenths; i++) {
      if (bar.fill && i >= sixteenths - 4 && name !== 'kick') continue;
      const letter = letters[i % letters.length]!;
      if (letter !== '.')
        hits.push({ at: i / 4, key: KEYS[name], velocity: (letter === 'x' ? 98 : 66) * loud });
    }
  }
  if (bar.fill) {
    const keys =
      kit === 'epic'
        ? [KEYS.taiko, KEYS.taiko, KEYS.tom, KEYS.tom]
        : [KEYS.snare, KEYS.snare, KEYS.high, KEYS.tom];
    for (const [i, key] of keys.entries()) {
      hits.push({ at: bar.beats - 1 + i / 4, key, velocity: (62 + i * 10) * loud });
    }
  }
  if (bar.crash) hits.push({ at: 0, key: KEYS.crash, velocity: 84 * loud });
  return hits;
}
