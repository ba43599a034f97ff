/**
 * What PocketSphinx writes of a recording with `-time yes`: for each utterance its text on a line,
 * then its words, each with its times in seconds and how sure it is. Pure.
 */
import type { Piece, Transcript } from '../whisper/transcript.ts';

const WORD = /^(\S+) (\d+\.\d+) (\d+\.\d+) \d+\.\d+$/;
/** Silence, noises, and the marks of an utterance's start and end. */
const NO_WORD = /^(<.*>|\[.*\]|\+\+.*\+\+)$/;
/** `to(2)`: the second way in which the dictionary says a word. */
const VARIANT = /\(\d+\)$/;

/** The transcript: an utterance is a segment. Utterances without a word are left out. */
export function toTranscript(told: string, durationS: number): Transcript {
  const segments: { text: string; start: number; end: number; words: Piece[] }[] = [];
  let words: Piece[] = [];
  const finish = () => {
    const [first, last] = [words[0], words.at(-1)];
    if (first && last) {
      const text = words.map((word) => word.text).join(' ');
      segments.push({ text, start: first.start, end: last.end, words });
    }
    words = [];
  };
  for (const line of told.split('\n')) {
    const [, word, start, end] = WORD.exec(line.trim()) ?? [];
    if (word === undefined) finish();
    else if (!NO_WORD.test(word)) {
      const at = (seconds: string | undefined) => Math.min(durationS, Number(seconds));
      words.push({ text: word.replace(VARIANT, ''), start: at(start), end: at(end) });
    }
  }
  finish();
  const text = segments.map((segment) => segment.text).join('\n');
  return { text, language: 'en', durationS, segments };
}
