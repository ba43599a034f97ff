/** Kinds of music and how each is made; instruments are programs of General MIDI, from 0. Pure. */

export type Accompaniment = 'block' | 'arpeggio' | 'strum' | 'stab' | 'alberti' | 'pulse' | 'waltz';
export type BassLine = 'root' | 'fifths' | 'eighths' | 'walking' | 'long' | 'octaves' | 'waltz';
export type DrumKit =
  | 'none'
  | 'soft'
  | 'pop'
  | 'rock'
  | 'four'
  | 'jazz'
  | 'lofi'
  | 'epic'
  | 'latin'
  | 'chip';
/** Chords of three notes, of four, or without the third, for distorted guitars. */
export type Voicing = 'triads' | 'sevenths' | 'power';
export type Mode = 'major' | 'minor' | 'dorian' | 'mixolydian' | 'lydian' | 'harmonic' | 'phrygian';

/** How a kind of music is made. */
export interface Style {
  readonly tempo: readonly [number, number];
  readonly beats: 3 | 4;
  readonly swing: number;
  readonly modes: readonly Mode[];
  readonly lead: readonly number[];
  readonly chords: readonly number[];
  readonly pad: readonly number[];
  readonly bass: readonly number[];
  readonly accompaniment: readonly Accompaniment[];
  readonly line: readonly BassLine[];
  readonly drums: DrumKit;
  /** Notes of the melody per beat, about. */
  readonly density: number;
  readonly voicing: Voicing;
  readonly reverb: number;
}

const POP: Style = {
  tempo: [96, 124],
  beats: 4,
  swing: 0,
  modes: ['major', 'minor', 'mixolydian'],
  lead: [80, 27, 0, 11],
  chords: [0, 4, 25],
  pad: [48, 89],
  bass: [33, 34],
  accompaniment: ['pulse', 'block', 'arpeggio'],
  line: ['eighths', 'root'],
  drums: 'pop',
  density: 1.2,
  voicing: 'triads',
  reverb: 40,
};

export const STYLES = {
  pop: POP,
  piano: {
    ...POP,
    tempo: [66, 92],
    lead: [0],
    chords: [0],
    pad: [49],
    bass: [0],
    accompaniment: ['arpeggio', 'alberti'],
    line: ['long'],
    drums: 'none',
    density: 1,
    reverb: 64,
  },
  ambient: {
    ...POP,
    tempo: [56, 72],
    modes: ['lydian', 'major', 'dorian'],
    lead: [11, 88, 8, 99],
    chords: [89, 91, 46],
    pad: [95, 89, 52],
    bass: [39, 43],
    accompaniment: ['arpeggio', 'block'],
    line: ['long'],
    drums: 'none',
    density: 0.5,
    voicing: 'sevenths',
    reverb: 100,
  },
  lofi: {
    ...POP,
    tempo: [70, 84],
    swing: 0.16,
    modes: ['dorian', 'minor', 'major'],
    lead: [4, 11, 26],
    chords: [4, 5],
    pad: [89],
    bass: [32, 33],
    accompaniment: ['block', 'stab'],
    line: ['root', 'fifths'],
    drums: 'lofi',
    density: 0.8,
    voicing: 'sevenths',
    reverb: 46,
  },
  jazz: {
    ...POP,
    tempo: [112, 150],
    swing: 0.3,
    modes: ['dorian', 'major'],
    lead: [66, 65, 11, 56],
    chords: [0, 26],
    pad: [89],
    bass: [32],
    accompaniment: ['stab'],
    line: ['walking'],
    drums: 'jazz',
    density: 1.5,
    voicing: 'sevenths',
    reverb: 36,
  },
  rock: {
    ...POP,
    tempo: [118, 146],
    modes: ['minor', 'mixolydian', 'dorian'],
    lead: [29, 30],
    chords: [29, 27],
    pad: [18, 48],
    bass: [34, 33],
    accompaniment: ['pulse'],
    line: ['eighths'],
    drums: 'rock',
    voicing: 'power',
    density: 1.4,
    reverb: 28,
  },
  electronic: {
    ...POP,
    tempo: [120, 130],
    modes: ['minor', 'dorian'],
    lead: [81, 80, 90],
    chords: [90, 81],
    pad: [89, 95],
    bass: [38, 39],
    accompaniment: ['stab', 'arpeggio', 'pulse'],
    line: ['octaves', 'eighths'],
    drums: 'four',
    density: 1.6,
    reverb: 38,
  },
  classical: {
    ...POP,
    tempo: [84, 116],
    modes: ['major', 'minor', 'harmonic'],
    lead: [40, 73, 68, 71],
    chords: [48, 46, 6],
    pad: [49],
    bass: [42, 43],
    accompaniment: ['alberti', 'arpeggio'],
    line: ['fifths', 'root'],
    drums: 'none',
    density: 1.4,
    reverb: 70,
  },
  epic: {
    ...POP,
    tempo: [84, 104],
    modes: ['minor', 'harmonic', 'dorian'],
    lead: [60, 61, 48],
    chords: [48, 44],
    pad: [52, 49],
    bass: [43, 42],
    accompaniment: ['pulse', 'arpeggio'],
    line: ['eighths', 'root'],
    drums: 'epic',
    density: 0.9,
    reverb: 84,
  },
  waltz: {
    ...POP,
    tempo: [132, 168],
    beats: 3,
    modes: ['major', 'minor'],
    lead: [40, 21, 73],
    chords: [48, 0],
    pad: [49],
    bass: [43, 32],
    accompaniment: ['waltz'],
    line: ['waltz'],
    drums: 'none',
    density: 1,
    reverb: 60,
  },
  folk: {
    ...POP,
    tempo: [92, 120],
    modes: ['major', 'mixolydian', 'dorian'],
    lead: [110, 73, 22, 74],
    chords: [25, 24],
    pad: [21],
    bass: [32],
    accompaniment: ['strum', 'arpeggio'],
    line: ['fifths'],
    drums: 'soft',
    density: 1.4,
    reverb: 40,
  },
  celtic: {
    ...POP,
    tempo: [104, 126],
    modes: ['dorian', 'mixolydian', 'major'],
    lead: [73, 110, 74, 75],
    chords: [46, 25],
    pad: [52, 109],
    bass: [43],
    accompaniment: ['strum', 'arpeggio'],
    line: ['fifths'],
    drums: 'epic',
    density: 1.8,
    reverb: 60,
  },
  latin: {
    ...POP,
    tempo: [98, 124],
    modes: ['minor', 'harmonic', 'major'],
    lead: [24, 73, 56],
    chords: [24, 0],
    pad: [48],
    bass: [32],
    accompaniment: ['strum', 'stab'],
    line: ['fifths'],
    drums: 'latin',
    density: 1.5,
    voicing: 'sevenths',
    reverb: 36,
  },
  chip: {
    ...POP,
    tempo: [132, 160],
    modes: ['major', 'minor', 'mixolydian'],
    lead: [80],
    chords: [80, 81],
    pad: [80],
    bass: [38, 80],
    accompaniment: ['arpeggio'],
    line: ['octaves'],
    drums: 'chip',
    density: 2,
    reverb: 8,
  },
  lullaby: {
    ...POP,
    tempo: [62, 76],
    beats: 3,
    modes: ['major', 'lydian'],
    lead: [10, 8, 108],
    chords: [46, 10],
    pad: [49, 89],
    bass: [42],
    accompaniment: ['waltz', 'arpeggio'],
    line: ['long'],
    drums: 'none',
    density: 0.8,
    reverb: 80,
  },
  dark: {
    ...POP,
    tempo: [60, 84],
    modes: ['phrygian', 'harmonic', 'minor'],
    lead: [42, 68, 52],
    chords: [49, 44],
    pad: [91, 52],
    bass: [43, 39],
    accompaniment: ['block', 'pulse'],
    line: ['long'],
    drums: 'epic',
    density: 0.6,
    reverb: 96,
  },
  eastern: {
    ...POP,
    tempo: [72, 100],
    modes: ['phrygian', 'harmonic', 'dorian'],
    lead: [107, 104, 77, 75],
    chords: [46, 107],
    pad: [52, 89],
    bass: [43],
    accompaniment: ['arpeggio'],
    line: ['long', 'root'],
    drums: 'soft',
    density: 1.1,
    reverb: 70,
  },
} as const satisfies Readonly<Record<string, Style>>;
export type StyleName = keyof typeof STYLES;
