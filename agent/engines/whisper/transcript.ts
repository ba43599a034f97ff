/**
 * A transcript, whatever server made it, and the files it is given out as: JSON, text, SubRip and
 * WebVTT (w3.org/TR/webvtt1). whisper.cpp tells tokens where words are asked for, and languages
 * by name: both are brought into order here. Pure.
 */
import { z } from 'zod';
import type { TranscriptionSpec } from '#schema/job.ts';

const Span = { start: z.number().nullish(), end: z.number().nullish() };
const Word = z.object({ word: z.string(), ...Span });
const Segment = z.object({ text: z.string(), ...Span, words: z.array(Word).nullish() });
/** `verbose_json` of OpenAI's API, as whisper.cpp and speaches write it. */
export const Verbose = z.object({
  text: z.string(),
  language: z.string().nullish(),
  duration: z.number().nullish(),
  segments: z.array(Segment).nullish(),
  /** speaches tells words beside the segments. */
  words: z.array(Word).nullish(),
});
export type Verbose = z.infer<typeof Verbose>;

export interface Piece {
  readonly text: string;
  readonly start: number;
  readonly end: number;
}
export interface Transcript {
  readonly text: string;
  /** A code like `en`, or what the server said. */
  readonly language: string | null;
  readonly durationS: number;
  readonly segments: readonly (Piece & { readonly words: readonly Piece[] })[];
}

/** What a transcript is as a file, by the format that was asked for. */
export const TRANSCRIPT_TYPES = {
  json: 'application/json',
  text: 'text/plain',
  srt: 'application/x-subrip',
  vtt: 'text/vtt',
} as const;

/** Languages that Whisper knows; it may tell them by name. */
const CODES =
  'af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he hi hr ht hu hy id is it ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no oc pa pl ps pt ro ru sa sd si sk sl sn so sq sr su sv sw ta te tg th tk tl tr tt uk ur uz vi yi yo yue zh'.split(
    ' ',
  );
/** Where Whisper's code is not the one in use. */
const OWN_CODES: Readonly<Record<string, string>> = { fil: 'tl', jv: 'jw', nb: 'no' };
const NAMES = new Intl.DisplayNames('en', { type: 'language' });
const BY_NAME = new Map([
  ...CODES.map((code): [string, string] => [(NAMES.of(code) ?? code).toLowerCase(), code]),
  ['javanese', 'jw'],
  ['haitian creole', 'ht'],
  ['myanmar', 'my'],
  ['tagalog', 'tl'],
  ['nynorsk', 'nn'],
]);
/** Written without spaces: their tokens are their words. */
const UNSPACED = new Set(['zh', 'ja', 'th', 'lo', 'km', 'my', 'bo', 'yue']);

/** The code of a language that a server names. */
export function toCode(language: string): string {
  return BY_NAME.get(language.toLowerCase()) ?? language;
}

/** A language as Whisper calls it, or `auto`; null when it knows none of that code. */
export function toWhisper(language: string): string | null {
  const [base = ''] = language.toLowerCase().split('-');
  if (base === 'auto' || CODES.includes(base)) return base;
  const [plain = base] = Intl.getCanonicalLocales(base);
  const code = OWN_CODES[plain] ?? plain;
  return CODES.includes(code) ? code : null;
}

/** What a server said, in order: times within the file and never backwards. */
export function toTranscript(told: Verbose, durationS: number): Transcript {
  const language = told.language ? toCode(told.language) : null;
  let last = 0;
  const place = (span: { start?: number | null | undefined; end?: number | null | undefined }) => {
    const start = Math.min(durationS, Math.max(last, span.start ?? last));
    const end = Math.min(durationS, Math.max(start, span.end ?? start));
    last = start;
    return { start, end };
  };
  const besides = [...(told.words ?? [])];
  const segments = (told.segments ?? []).map((segment) => {
    const span = place(segment);
    const own = segment.words ?? takeUntil(besides, span.end);
    const words = joinTokens(own, language).map((word) => ({ text: word.text, ...place(word) }));
    return { text: segment.text.trim(), ...span, words };
  });
  const text = told.text.trim().replace(/[ \t]*\n[ \t]*/g, '\n');
  return { text, language, durationS, segments: segments.filter((one) => one.text !== '') };
}

type Token = z.infer<typeof Word>;

function takeUntil(words: Token[], end: number): Token[] {
  const next = words.findIndex(({ start }) => (start ?? 0) >= end);
  return words.splice(0, next < 0 ? words.length : next);
}

/** A token that begins with no space goes on with the word before it. */
function joinTokens(tokens: readonly Token[], language: string | null) {
  const words: {
    text: string;
    start: number | null | undefined;
    end: number | null | undefined;
  }[] = [];
  const areTokens = tokens.some(({ word }) => word.startsWith(' '));
  for (const { word, start, end } of tokens) {
    const before = words.at(-1);
    const goesOn = areTokens && !word.startsWith(' ') && !UNSPACED.has(language ?? '');
    if (before && goesOn) {
      before.text += word.trimEnd();
      before.end = end;
    } else if (word.trim() !== '') {
      words.push({ text: word.trim(), start, end });
    }
  }
  return words;
}

/** The file that was asked for. */
export function render(transcript: Transcript, spec: TranscriptionSpec): string {
  switch (spec.format) {
    case 'text':
      return `${transcript.text}\n`;
    case 'json':
      return `${JSON.stringify(toJson(transcript, spec.timestamps))}\n`;
    case 'srt':
      return cuesOf(transcript, spec.timestamps)
        .map(({ text, start, end }, index) => {
          const times = `${toTime(start, ',')} --> ${toTime(end, ',')}`;
          return `${index + 1}\n${times}\n${text}\n\n`;
        })
        .join('');
    case 'vtt': {
      const cues = cuesOf(transcript, spec.timestamps).map(
        ({ text, start, end }) =>
          `${toTime(start, '.')} --> ${toTime(end, '.')}\n${escapeCue(text)}\n\n`,
      );
      return `WEBVTT\n\n${cues.join('')}`;
    }
  }
}

function toJson(transcript: Transcript, timestamps: TranscriptionSpec['timestamps']): object {
  const { text, language, durationS: duration, segments } = transcript;
  if (timestamps === 'none') return { text, language, duration };
  return {
    text,
    language,
    duration,
    segments: segments.map(({ words, ...segment }, id) => ({
      id,
      ...segment,
      ...(timestamps === 'word'
        ? { words: words.map(({ text: word, ...span }) => ({ word, ...span })) }
        : {}),
    })),
  };
}

/** Subtitles: a cue for each segment, or for each word when words were asked for. */
function cuesOf(
  { segments }: Transcript,
  timestamps: TranscriptionSpec['timestamps'],
): readonly Piece[] {
  if (timestamps !== 'word') return segments;
  return segments.flatMap((segment) => (segment.words.length > 0 ? segment.words : [segment]));
}

function toTime(seconds: number, mark: ',' | '.'): string {
  const ms = Math.round(seconds * 1000);
  const two = (value: number) => String(Math.floor(value)).padStart(2, '0');
  const rest = String(ms % 1000).padStart(3, '0');
  return `${two(ms / 3_600_000)}:${two((ms / 60_000) % 60)}:${two((ms / 1000) % 60)}${mark}${rest}`;
}

function escapeCue(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
