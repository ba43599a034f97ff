/** What the accompanying hands play in one bar: chords broken or struck, and the bass. Pure. */
import type { Accompaniment, BassLine } from './style.ts';

interface PartNote {
  readonly key: number;
  /** Beats from the bar's start. */
  readonly at: number;
  readonly length: number;
  readonly accent?: number;
}

/** One bar of a chord in a manner of playing. */
export function accompany(
  manner: Accompaniment,
  { chord, beats }: { chord: readonly number[]; beats: number },
): PartNote[] {
  const strike = (at: number, length: number, accent = 1): PartNote[] =>
    chord.map((key, i) => ({ key, at: at + i * 0.012, length, accent }));
  const steps = (order: (i: number) => number, step: number, length: number): PartNote[] =>
    Array.from({ length: Math.round(beats / step) }, (_, i) => ({
      key: order(i),
      at: i * step,
      length,
      accent: i % Math.round(1 / step) === 0 ? 1 : 0.82,
    }));
  const size = chord.length;
  switch (manner) {
    case 'block':
      return strike(0, beats * 0.98);
    case 'arpeggio': {
      const wave = [...chord, chord[0]! + 12, ...chord.slice(1).toReversed()];
      return steps((i) => wave[i % wave.length]!, 0.5, 1.1);
    }
    case 'alberti': {
      const order = [0, size - 1, 1, size - 1];
      return steps((i) => chord[order[i % 4]!]!, 0.5, 0.48);
    }
    case 'strum':
      return [0, 1, 1.5, 2.5, 3, 3.5]
        .filter((at) => at < beats)
        .flatMap((at, i) => strike(at, at === 0 ? 0.95 : 0.45, i % 2 === 0 ? 1 : 0.72));
    case 'stab':
      return [0.5, 1.5, 2.5, 3.5]
        .filter((at) => at < beats)
        .flatMap((at, i) => strike(at, 0.3, i % 2 === 0 ? 0.9 : 1));
    case 'pulse':
      return Array.from({ length: beats * 2 }, (_, i) =>
        strike(i / 2, 0.42, i % 2 === 0 ? 1 : 0.74),
      ).flat();
    case 'waltz':
      return Array.from({ length: beats - 1 }, (_, i) => strike(i + 1, 0.7, 0.85)).flat();
  }
}

/** One bar of bass under a chord given by three pitches, leading to the next bar's root. */
export function bassBar(
  line: BassLine,
  bar: { root: number; third: number; fifth: number; next: number; beats: number },
): PartNote[] {
  const low = (pitch: number): number => {
    let key = pitch;
    while (key > 45) key -= 12;
    while (key < 33) key += 12;
    return key;
  };
  const root = low(bar.root);
  const above = bar.fifth - bar.root;
  const fifth = root + above > 48 ? root + above - 12 : root + above;
  const { beats } = bar;
  switch (line) {
    case 'long':
      return [{ key: root, at: 0, length: beats * 0.98 }];
    case 'waltz':
      return [{ key: root, at: 0, length: 0.95 }];
    case 'root':
      return [
        { key: root, at: 0, length: 1.4 },
        { key: root, at: beats / 2 + (beats === 4 ? 0.5 : 0), length: 0.9, accent: 0.85 },
      ];
    case 'fifths':
      return [
        { key: root, at: 0, length: beats / 2 - 0.1 },
        { key: fifth, at: beats === 3 ? 2 : 2, length: beats === 3 ? 0.9 : 1.4, accent: 0.88 },
      ];
    case 'eighths':
      return Array.from({ length: beats * 2 }, (_, i) => ({
        key: i === beats * 2 - 1 ? low(bar.next) : root,
        at: i / 2,
        length: 0.44,
        accent: i % 2 === 0 ? 1 : 0.8,
      }));
    case 'octaves':
      return Array.from({ length: beats * 2 }, (_, i) => ({
        key: i % 2 === 0 ? root : root + 12,
        at: i / 2,
        length: 0.4,
        accent: i % 2 === 0 ? 1 : 0.84,
      }));
    case 'walking': {
      const goal = low(bar.next);
      const third = root + bar.third - bar.root;
      const approach = goal > root ? goal - 1 : goal + 1;
      return [root, third, fifth, approach]
        .slice(0, beats)
        .map((key, i) => ({ key, at: i, length: 0.9, accent: i === 0 ? 1 : 0.88 }));
    }
  }
}
