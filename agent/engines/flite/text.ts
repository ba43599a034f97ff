/**
 * Text made ready for Flite: plain ASCII, cut at the ends of sentences into pieces short enough
 * to be spoken, reported and cancelled one by one. Pure.
 */
import { SPEECH_CHARS_MAX } from '#schema/limits.ts';

/** Spoken in well under a second, so that an abort or a progress report is never far off. */
const PIECE_CHARS_MAX = 280;

export interface Piece {
  readonly text: string;
  /** Silence after it, ms. */
  readonly pauseMs: number;
}

const PARAGRAPH_PAUSE_MS = 350;
const REPLACED: readonly (readonly [RegExp, string])[] = [
  [/[\u2018\u2019\u201b\u2032]/g, "'"],
  [/[\u201c\u201d\u201e\u2033\u00ab\u00bb]/g, '"'],
  [/[\u2013\u2014\u2015\u2212]/g, ', '],
  [/\u2026/g, '... '],
  [/\u20ac/g, ' euros '],
  [/\u00a3/g, ' pounds '],
  [/\u00b0/g, ' degrees '],
  [/\u00df/g, 'ss'],
  [/[\u00e6\u00c6]/g, 'ae'],
  [/[\u00f8\u00d8]/g, 'o'],
  [/\u0153/g, 'oe'],
];

/** Letters Flite can read: accents are dropped, anything else foreign becomes a space. */
export function toAscii(text: string): string {
  let plain = text;
  for (const [pattern, by] of REPLACED) plain = plain.replace(pattern, by);
  return plain
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .replace(/[^\x20-\x7e\n]/g, ' ');
}

/** Cuts a sentence that is too long, at commas or else at spaces, and at worst anywhere. */
function cut(sentence: string): string[] {
  const pieces: string[] = [];
  let rest = sentence;
  while (rest.length > PIECE_CHARS_MAX) {
    const head = rest.slice(0, PIECE_CHARS_MAX);
    const comma = Math.max(head.lastIndexOf(', '), head.lastIndexOf('; '), head.lastIndexOf(': '));
    const space = head.lastIndexOf(' ');
    const at = comma > PIECE_CHARS_MAX / 3 ? comma + 1 : space > 0 ? space : PIECE_CHARS_MAX;
    pieces.push(rest.slice(0, at).trim());
    rest = rest.slice(at).trim();
  }
  return [...pieces, rest];
}

/** The pieces of a text, in order; none when it has nothing to say in ASCII. */
export function toPieces(text: string): readonly Piece[] {
  const segmenter = new Intl.Segmenter('en', { granularity: 'sentence' });
  const pieces: Piece[] = [];
  for (const paragraph of toAscii(text.slice(0, SPEECH_CHARS_MAX)).split(/\n\s*\n/)) {
    const flowing = paragraph.replace(/\s+/g, ' ').trim();
    const said = [...segmenter.segment(flowing)]
      .flatMap(({ segment }) => cut(segment.trim()))
      .filter((piece) => /[A-Za-z0-9]/.test(piece));
    for (const [place, piece] of said.entries()) {
      pieces.push({ text: piece, pauseMs: place === said.length - 1 ? PARAGRAPH_PAUSE_MS : 0 });
    }
  }
  return pieces.map((piece, place) =>
    place === pieces.length - 1 ? { ...piece, pauseMs: 0 } : piece,
  );
}
