/**
 * Writes a piece: key, harmony, melody, accompaniment, bass and drums over a form, as timed MIDI
 * messages. Deterministic in prompt, seed and duration. Pure.
 */
import { drumBar } from './drums.ts';
import { makeForm } from './form.ts';
import type { Bar, Section } from './form.ts';
import { chordOf, isBright, over, pickProgression, pitchOf, voice } from './harmony.ts';
import type { Key } from './harmony.ts';
import { composePhrase, vary } from './melody.ts';
import type { Tone } from './melody.ts';
import { accompany, bassBar } from './parts.ts';
import { readMood } from './prompt.ts';
import type { Mood } from './prompt.ts';
import type { Accompaniment, BassLine, Mode } from './style.ts';
import { clamp, hashText, makeRng, mix, pick } from '../noise.ts';
import type { Rng } from '../noise.ts';

interface Note {
  readonly channel: number;
  readonly key: number;
  /** 1 to 127. */
  readonly velocity: number;
  readonly startS: number;
  readonly endS: number;
}

interface Instrument {
  readonly channel: number;
  readonly program: number;
  readonly volume: number;
  /** 0 left, 64 middle, 127 right. */
  readonly pan: number;
  readonly reverb: number;
}

export interface Score {
  readonly instruments: readonly Instrument[];
  /** By start. */
  readonly notes: readonly Note[];
  /** Where the last bar ends; what follows is ringing. */
  readonly endS: number;
}

const CHANNEL = { lead: 0, chords: 1, pad: 2, bass: 3, counter: 4, drums: 9 } as const;
/** Melodies lie around here. */
const LEAD_TONIC = 67;

interface Piece {
  readonly mood: Mood;
  readonly key: Key;
  readonly beatS: number;
  readonly line: BassLine;
  readonly hand: Accompaniment;
  readonly progressions: Readonly<Record<Section, readonly number[]>>;
  readonly phrases: ReadonlyMap<Section, readonly Tone[]>;
  readonly rng: (name: string) => Rng;
  readonly notes: Note[];
}

function keyOf(mood: Mood, rng: Rng): Key {
  const { modes } = mood.style;
  const wanted: Mode[] = modes.filter(
    (mode) => mood.tone === 0 || isBright(mode) === mood.tone > 0,
  );
  const fallback: Mode = mood.tone > 0 ? 'major' : 'minor';
  return {
    tonic: 60 + Math.floor(rng() * 12) - 5,
    mode: wanted.length > 0 ? pick(rng, wanted) : fallback,
  };
}

function plan(mood: Mood, beatS: number, rng: (name: string) => Rng): Piece {
  const key = keyOf(mood, rng('key'));
  const harmony = rng('harmony');
  const a = pickProgression(key, harmony);
  const b = pickProgression(key, harmony, a);
  const bridge = pickProgression(key, harmony, b);
  const progressions = { intro: a, a, b, bridge, end: a };
  const phrases = new Map<Section, readonly Tone[]>();
  for (const section of ['a', 'b', 'bridge'] as const) {
    phrases.set(
      section,
      composePhrase(mood.style, progressions[section], rng(`melody ${section}`)),
    );
  }
  phrases.set(
    'end',
    phrases.get('a')!.filter((tone) => tone.accent > 0.85),
  );
  const style = rng('style');
  const hand = pick(style, mood.style.accompaniment);
  const line = pick(style, mood.style.line);
  return { mood, key, beatS, line, hand, progressions, phrases, rng, notes: [] };
}

/** Puts a note of a bar into the piece, with swing and a hand's unevenness. */
function add(
  piece: Piece,
  bar: { startS: number; rng: Rng },
  note: { channel: number; key: number; velocity: number; at: number; length: number },
): void {
  const { beatS, mood } = piece;
  const offbeat = Math.abs((note.at % 1) - 0.5) < 0.01 ? mood.style.swing * beatS * 0.5 : 0;
  const loose = note.at === 0 ? 0.002 : 0.006;
  const startS = Math.max(
    0,
    bar.startS + note.at * beatS + offbeat + (bar.rng() - 0.5) * 2 * loose,
  );
  piece.notes.push({
    channel: note.channel,
    key: clamp(Math.round(note.key), 12, 115),
    velocity: Math.round(clamp(note.velocity + (bar.rng() - 0.5) * 9, 12, 124)),
    startS,
    endS: startS + Math.max(0.05, note.length * beatS),
  });
}

function writeBar(piece: Piece, bar: Bar, index: number): void {
  const { mood, beatS } = piece;
  const { style } = mood;
  const { beats } = style;
  const at = { startS: index * beats * beatS, rng: piece.rng(`hand ${index}`) };
  const degree = bar.last ? 0 : piece.progressions[bar.section][bar.place % 4]!;
  const key = over(piece.key, degree);
  const tones = chordOf(
    degree,
    bar.last && style.voicing === 'sevenths' ? 'triads' : style.voicing,
  );
  const { intensity } = bar;
  const loud = 0.62 + intensity * 0.38;
  const chord = voice(key, tones, 62);
  const put =
    (channel: number, velocity: number) =>
    (n: { key: number; at: number; length: number; accent?: number }): void =>
      add(piece, at, { channel, velocity: velocity * loud * (n.accent ?? 1), ...n });

  const hand = bar.last ? 'block' : piece.hand;
  for (const n of accompany(hand, { chord, beats: bar.last ? beats + 2 : beats }))
    put(CHANNEL.chords, 70)(n);
  if (intensity > 0.44 || style.drums === 'none') {
    const length = (bar.last ? beats + 3 : beats) * 1.02;
    for (const note of voice(key, tones, 57)) put(CHANNEL.pad, 50)({ key: note, at: 0, length });
  }
  if (intensity > 0.36 || bar.last) {
    const next = piece.progressions[bar.section][(bar.place + 1) % 4]!;
    const line = bar.last ? 'long' : piece.line;
    const [root, third, fifth] = chordOf(degree, 'triads').map((tone) => pitchOf(key, tone));
    const chordal = { root: root!, third: third!, fifth: fifth!, next: pitchOf(key, next), beats };
    for (const n of bassBar(line, chordal)) put(CHANNEL.bass, 88)(n);
  }
  if (intensity > 0.7 && !bar.last) {
    const guide = voice(key, [degree + 2], 74)[0]!;
    put(CHANNEL.counter, 52)({ key: guide, at: 0, length: beats * 0.98 });
  }
  if (mood.drums && intensity > 0.46 && !bar.last) {
    const crash = bar.first && intensity > 0.7;
    const fill = bar.place === 3 && intensity > 0.48;
    for (const hit of drumBar(style.drums, { beats, intensity, fill, crash })) {
      add(piece, at, {
        channel: CHANNEL.drums,
        key: hit.key,
        velocity: hit.velocity,
        at: hit.at,
        length: 0.2,
      });
    }
  }
  writeMelody(piece, bar, { ...at, key });
}

function writeMelody(piece: Piece, bar: Bar, at: { startS: number; rng: Rng; key: Key }): void {
  const { beats } = piece.mood.style;
  const key = { ...at.key, tonic: LEAD_TONIC + ((at.key.tonic - LEAD_TONIC) % 12) };
  const loud = 0.68 + bar.intensity * 0.32;
  if (bar.last) {
    const last = { key: pitchOf(key, 7), at: 0, length: beats + 2, velocity: 84 * loud };
    return add(piece, at, { channel: CHANNEL.lead, ...last });
  }
  const phrase = piece.phrases.get(bar.section);
  if (phrase === undefined) return;
  const sung =
    bar.turn % 2 === 1 ? vary(phrase, piece.rng(`vary ${bar.section} ${bar.turn}`)) : phrase;
  const from = (bar.place % 4) * beats;
  for (const tone of sung) {
    if (tone.at < from || tone.at >= from + beats) continue;
    const n = {
      key: pitchOf(key, tone.degree),
      at: tone.at - from,
      length: tone.length,
      velocity: 94 * loud * tone.accent,
    };
    add(piece, at, { channel: CHANNEL.lead, ...n });
  }
}

function instrumentsOf(mood: Mood, rng: Rng): Instrument[] {
  const { style } = mood;
  const lead = mood.leads[0] ?? pick(rng, style.lead);
  const counter = mood.leads[1] ?? pick(rng, style.pad);
  const row = (
    channel: number,
    program: number,
    mix: readonly [volume: number, pan: number],
  ): Instrument => ({
    channel,
    program,
    volume: mix[0],
    pan: mix[1],
    reverb: channel === CHANNEL.bass ? style.reverb * 0.3 : style.reverb,
  });
  return [
    row(CHANNEL.lead, lead, [112, 60]),
    row(CHANNEL.chords, pick(rng, style.chords), [98, 42]),
    row(CHANNEL.pad, pick(rng, style.pad), [80, 84]),
    row(CHANNEL.bass, pick(rng, style.bass), [90, 64]),
    row(CHANNEL.counter, counter, [88, 92]),
    row(CHANNEL.drums, 0, [92, 64]),
  ];
}

/** A piece for a prompt; the same arguments give the same notes. */
export function compose(prompt: string, seed: number, durationS: number): Score {
  const mood = readMood(prompt);
  const base = mix(seed ^ mood.hash ^ 0x3a5c);
  const rng = (name: string): Rng => makeRng(mix(base ^ hashText(name)));
  const form = makeForm(mood, durationS, rng('form'));
  const piece = plan(mood, form.beatS, rng);
  for (const [index, bar] of form.bars.entries()) writeBar(piece, bar, index);
  return {
    instruments: instrumentsOf(mood, rng('instruments')),
    notes: piece.notes.sort(
      (x, y) => x.startS - y.startS || x.channel - y.channel || x.key - y.key,
    ),
    endS: form.bars.length * mood.style.beats * form.beatS,
  };
}
