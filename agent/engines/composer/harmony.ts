/** Scales, chords and how chords follow each other; pitches are MIDI numbers. Pure. */
import type { Mode, Voicing } from './style.ts';
import { pick } from '../noise.ts';
import type { Rng } from '../noise.ts';

const SCALES: Readonly<Record<Mode, readonly number[]>> = {
  major: [0, 2, 4, 5, 7, 9, 11],
  lydian: [0, 2, 4, 6, 7, 9, 11],
  mixolydian: [0, 2, 4, 5, 7, 9, 10],
  dorian: [0, 2, 3, 5, 7, 9, 10],
  minor: [0, 2, 3, 5, 7, 8, 10],
  harmonic: [0, 2, 3, 5, 7, 8, 11],
  phrygian: [0, 1, 3, 5, 7, 8, 10],
};

/** Four bars of scale degrees from 0; the first of a row suits verses, all end openly. */
const PROGRESSIONS: Readonly<Record<'bright' | 'sombre', readonly (readonly number[])[]>> = {
  bright: [
    [0, 4, 5, 3],
    [0, 5, 3, 4],
    [0, 3, 0, 4],
    [3, 0, 4, 5],
    [5, 3, 0, 4],
    [0, 2, 3, 4],
    [1, 4, 0, 5],
    [3, 4, 2, 5],
  ],
  sombre: [
    [0, 5, 2, 6],
    [0, 3, 5, 4],
    [0, 6, 5, 6],
    [0, 5, 3, 4],
    [5, 6, 0, 0],
    [3, 0, 5, 6],
    [0, 2, 6, 3],
    [5, 3, 0, 4],
  ],
};

export interface Key {
  readonly tonic: number;
  readonly mode: Mode;
}

/** Whether the third of the scale is a major one. */
export function isBright(mode: Mode): boolean {
  return SCALES[mode][2] === 4;
}

/** Pitch of a scale degree counted from the tonic; degrees below 0 and above 6 change octave. */
export function pitchOf(key: Key, degree: number): number {
  const octave = Math.floor(degree / 7);
  return key.tonic + octave * 12 + SCALES[key.mode][degree - octave * 7]!;
}

/** The scale over a chord: harmonic minor raises its seventh over the dominant only. */
export function over(key: Key, degree: number): Key {
  return key.mode === 'harmonic' && degree !== 4 ? { ...key, mode: 'minor' } : key;
}

/** Scale degrees of the chord on a degree. */
export function chordOf(degree: number, voicing: Voicing): number[] {
  if (voicing === 'power') return [degree, degree + 4, degree + 7];
  const triad = [degree, degree + 2, degree + 4];
  return voicing === 'sevenths' ? [...triad, degree + 6] : triad;
}

export function pickProgression(key: Key, rng: Rng, other?: readonly number[]): readonly number[] {
  const list = PROGRESSIONS[isBright(key.mode) ? 'bright' : 'sombre'];
  return pick(
    rng,
    list.filter((row) => row !== other),
  );
}

/** Pitches of a chord near `centre`, each moved by octaves so that the hand moves least. */
export function voice(key: Key, degrees: readonly number[], centre: number): number[] {
  const pitches = degrees.map((degree) => {
    let pitch = pitchOf(key, degree);
    while (pitch > centre + 6) pitch -= 12;
    while (pitch < centre - 6) pitch += 12;
    return pitch;
  });
  return [...new Set(pitches)].sort((a, b) => a - b);
}
