/**
 * Melodies: a rhythm and a contour make a motif; a phrase of four bars says it, answers it, says
 * it again with a turn, and closes on a chord tone. Repeated sections repeat their phrase. Pure.
 */
import { chordOf } from './harmony.ts';
import type { Style } from './style.ts';
import { clamp, pick } from '../noise.ts';
import type { Rng } from '../noise.ts';

/** A note of a phrase: beats from the phrase's start, and a scale degree. */
export interface Tone {
  readonly at: number;
  readonly length: number;
  readonly degree: number;
  readonly accent: number;
}

interface Motif {
  readonly starts: readonly number[];
  readonly moves: readonly number[];
}

const LOW = 0;
const HIGH = 12;

function rhythmOf(style: Style, rng: Rng): number[] {
  const starts = [0];
  const grid = style.density > 1.3 ? 0.5 : style.density < 0.7 ? 1 : 0.5;
  for (let at = grid; at < style.beats; at += grid) {
    const onBeat = Number.isInteger(at);
    const chance = (style.density / 1.9) * (onBeat ? 1.15 : 0.62);
    if (rng() < chance) starts.push(at);
  }
  // One note is no motif.
  return starts.length > 1 ? starts : [0, style.beats / 2];
}

function motifOf(style: Style, rng: Rng): Motif {
  const starts = rhythmOf(style, rng);
  const leap = rng() < 0.6 ? Math.floor(rng() * Math.max(1, starts.length - 1)) + 1 : -1;
  let run = rng() < 0.5 ? 1 : -1;
  const moves = starts.map((_, i) => {
    if (i === 0) return 0;
    if (rng() < 0.28) run = -run;
    return i === leap ? run * pick(rng, [2, 3, 4]) : run * pick(rng, [1, 1, 1, 0, 2]);
  });
  return { starts, moves };
}

function toChord(degree: number, root: number): number {
  const tones = chordOf(root, 'triads').map((tone) => ((tone % 7) + 7) % 7);
  for (const away of [0, 1, -1, 2, -2]) {
    if (tones.includes((((degree + away) % 7) + 7) % 7)) return degree + away;
  }
  return degree;
}

/** A phrase of four bars over four chord roots. */
export function composePhrase(style: Style, roots: readonly number[], rng: Rng): Tone[] {
  const first = motifOf(style, rng);
  const second = rng() < 0.5 ? first : motifOf(style, rng);
  const turn: Motif = {
    starts: first.starts,
    moves: first.moves.map((move, i) => (i > first.moves.length / 2 ? -move : move)),
  };
  const tones: Tone[] = [];
  let degree = pick(rng, [4, 7, 2, 9]);
  for (const [bar, motif] of [first, second, turn].entries()) {
    const root = roots[bar % roots.length]!;
    for (const [i, start] of motif.starts.entries()) {
      degree = clamp(degree + motif.moves[i]!, LOW, HIGH);
      if (degree === LOW || degree === HIGH) degree += degree === LOW ? 1 : -2;
      const strong = start === 0 || start === style.beats / 2;
      const sung = strong ? toChord(degree, root) : degree;
      const next = motif.starts[i + 1] ?? style.beats;
      const rest = i === motif.starts.length - 1 && rng() < 0.3;
      tones.push({
        at: bar * style.beats + start,
        length: (next - start) * (rest ? 0.55 : 0.94),
        degree: sung,
        accent: strong ? 1 : 0.8,
      });
      degree = sung;
    }
  }
  const last = toChord(clamp(degree + pick(rng, [-2, -1, 1]), 1, 9), roots[3 % roots.length]!);
  const pickup = style.density > 0.9 && rng() < 0.6;
  tones.push({
    at: 3 * style.beats,
    length: style.beats * (pickup ? 0.55 : 0.85),
    degree: last,
    accent: 0.95,
  });
  if (pickup) {
    for (const [i, at] of [style.beats - 1, style.beats - 0.5].entries()) {
      tones.push({
        at: 3 * style.beats + at,
        length: 0.46,
        degree: last + (i === 0 ? 1 : 2),
        accent: 0.7,
      });
    }
  }
  return tones;
}

/** The same phrase again, a little ornamented. */
export function vary(tones: readonly Tone[], rng: Rng): Tone[] {
  return tones.flatMap((tone) => {
    if (tone.length < 0.9 || rng() > 0.25) return [tone];
    const half = tone.length / 2;
    return [
      { ...tone, length: half },
      {
        ...tone,
        at: tone.at + half,
        length: half,
        degree: tone.degree + (rng() < 0.5 ? 1 : -1),
        accent: 0.7,
      },
    ];
  });
}
