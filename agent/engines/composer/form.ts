/**
 * The form of a piece: how many bars fit the time, which phrase of four bars is which section,
 * and how intense each is. The tempo bends a little, so that the last bar ends in time. Pure.
 */
import type { Mood } from './prompt.ts';
import { clamp, lerp } from '../noise.ts';
import type { Rng } from '../noise.ts';

export type Section = 'intro' | 'a' | 'b' | 'bridge' | 'end';

export interface Bar {
  readonly section: Section;
  /** Bar within its phrase of four. */
  readonly place: number;
  /** Which time this section comes, from 0. */
  readonly turn: number;
  /** 0 to 1: how many instruments play and how loud. */
  readonly intensity: number;
  readonly first: boolean;
  readonly last: boolean;
}

interface Form {
  readonly bars: readonly Bar[];
  /** Seconds of a beat. */
  readonly beatS: number;
}

const PHRASE_BARS = 4;
const SHORT_BARS = 24;
/** Left for the last chord to ring. */
const RING_S = 2.2;

const INTENSITY: Readonly<Record<Section, readonly number[]>> = {
  intro: [0.3],
  a: [0.5, 0.62, 0.78, 0.85],
  b: [0.78, 0.92, 1],
  bridge: [0.4],
  end: [0.45],
};

/** Sections of so many phrases. */
function sectionsOf(phrases: number): Section[] {
  if (phrases <= 1) return ['a'];
  if (phrases === 2) return ['a', 'b'];
  const body: Section[] = [];
  const cycle: readonly Section[] = ['a', 'a', 'b', 'a', 'b'];
  const length = phrases - 2;
  for (let i = 0; i < length; i++) body.push(cycle[i % cycle.length]!);
  if (length >= 7) body[Math.floor(length * 0.62)] = 'bridge';
  if (length >= 3) body[length - 1] = 'b';
  return ['intro', ...body, 'end'];
}

export function makeForm(mood: Mood, durationS: number, rng: Rng): Form {
  const { style } = mood;
  const wanted = mood.bpm ?? lerp(style.tempo[0], style.tempo[1], rng()) * mood.pace;
  const playS = Math.max(durationS * 0.72, durationS - RING_S);
  const barS = (60 / wanted) * style.beats;
  const count = Math.max(2, Math.round(playS / barS));
  // A named tempo is kept; the piece then ends a little before the time is over.
  const beatS = mood.bpm === null ? playS / count / style.beats : 60 / wanted;
  const sections = sectionsOf(Math.max(1, Math.round(count / PHRASE_BARS)));
  const turns = new Map<Section, number>();
  const bars: Bar[] = [];
  for (const [i, section] of sections.entries()) {
    const turn = turns.get(section) ?? 0;
    turns.set(section, turn + 1);
    const rest = count - bars.length;
    // A short piece comes to its melody soon.
    const wish = section === 'intro' && count < SHORT_BARS ? PHRASE_BARS / 2 : PHRASE_BARS;
    const length = i === sections.length - 1 ? rest : Math.min(wish, rest);
    for (let place = 0; place < length; place++) {
      const steps = INTENSITY[section];
      const rising = section === 'end' && place >= length - 2 ? -0.12 : 0;
      const intensity = clamp(steps[Math.min(turn, steps.length - 1)]! + rising);
      const [first, last] = [place === 0, bars.length === count - 1];
      bars.push({ section, place, turn, intensity, first, last });
    }
  }
  return { bars, beatS };
}
