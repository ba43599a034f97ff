/**
 * Judges what users send, before anything is held or run. Pictures, words and negative prompts
 * have rules of their own: a picture must not show what a text may well talk about, and a
 * negative prompt names what is unwanted. Sexual content is blocked for all; with minors it is
 * severe. Words are met in any disguise that moderation/fold.ts undoes; a phrase that means
 * something else (moderation/allowed.ts) counts for nothing. Pure.
 */
import type { JobSpec } from '#schema/job.ts';
import type { ContentCategory } from '#schema/moderation.ts';
import { ALLOWED } from './moderation/allowed.ts';
import { GORE, HATE, INSTRUCTIONS, SELF_HARM } from './moderation/harm.ts';
import * as minor from './moderation/minor.ts';
import * as sexual from './moderation/sexual.ts';
import { isOrdinary, toSqueezedWords, toWords } from './moderation/fold.ts';
import type { Word } from './moderation/fold.ts';
import { findPhrases } from './moderation/phrase.ts';
import type { PhraseSet, Span } from './moderation/phrase.ts';

/** What a text is for: something shown, something unwanted in it, something read or spoken. */
export type TextKind = 'picture' | 'negative' | 'words';

export interface UserText {
  readonly kind: TextKind;
  /** The parameter that it came in. */
  readonly field: string;
  readonly text: string;
}

/** Why a text is blocked; never the words themselves. */
export interface Verdict {
  readonly category: ContentCategory;
  readonly rule: string;
  readonly field: string;
  readonly severity: 'severe' | 'normal';
}

/** How near a suggestive word is to a minor when it is meant of it: words between the two. */
const NEAR_PICTURE = 8;
const NEAR_WORDS = 6;
/** Whole parts of a negative prompt that ask for a body without clothes. */
const CLOTHES = new Set(['clothes', 'clothing', 'clothed', 'clothe', 'cloth', 'dressed', 'outfit']);
const NOTHING: Word = { part: -1, spellings: [] };

/** All texts that a user wrote for a job. */
export function textsOf(spec: JobSpec): UserText[] {
  switch (spec.type) {
    case 'image':
    case 'video':
      return [
        { kind: 'picture', field: 'prompt', text: spec.prompt },
        { kind: 'negative', field: 'negative_prompt', text: spec.negative_prompt },
      ];
    case 'text':
      return [
        { kind: 'words', field: 'prompt', text: spec.prompt ?? '' },
        ...spec.messages.map(({ content }, index): UserText => {
          return { kind: 'words', field: `messages[${index}].content`, text: content };
        }),
      ];
    case 'speech':
      return [{ kind: 'words', field: 'input', text: spec.input }];
    case 'music':
      return [
        { kind: 'words', field: 'prompt', text: spec.prompt },
        { kind: 'words', field: 'lyrics', text: spec.lyrics },
      ];
    case 'transcription':
      return [];
  }
}

/** The gravest rule that the texts break together, or null. */
export function judgeTexts(texts: readonly UserText[]): Verdict | null {
  const read = texts
    .filter(({ text }) => text !== '')
    .map(({ kind, field, text }) => ({
      kind,
      field,
      readings: readingsOf(text).map(blankAllowed),
    }));
  for (const { category, rule, applies } of RULES) {
    const found = read.find(({ kind, readings }) => readings.some((words) => applies(words, kind)));
    const { field } = found ?? {};
    if (field !== undefined) return toVerdict({ category, rule, field });
    if (rule === 'minors.combined') {
      const undressed = findUndressed(read);
      if (undressed) return toVerdict({ category, rule: 'minors.undressed', field: undressed });
    }
  }
  return null;
}

interface Rule {
  readonly category: ContentCategory;
  readonly rule: string;
  readonly applies: (words: readonly Word[], kind: TextKind) => boolean;
}

/** The gravest first. */
const RULES: readonly Rule[] = [
  {
    category: 'sexual_minors',
    rule: 'minors.direct',
    applies: (words, kind) =>
      has(words, kind === 'picture' ? minor.DIRECT_IN_PICTURE : minor.DIRECT_IN_WORDS),
  },
  { category: 'sexual_minors', rule: 'minors.combined', applies: sexualisesMinor },
  {
    category: 'sexual',
    rule: 'sexual.shown',
    applies: (words, kind) => kind === 'picture' && has(words, sexual.SEXUAL_PICTURE),
  },
  {
    category: 'sexual',
    rule: 'sexual.told',
    applies: (words, kind) => kind === 'words' && has(words, sexual.SEXUAL_WORDS),
  },
  {
    category: 'self_harm',
    rule: 'self_harm.method',
    applies: (words, kind) => kind !== 'negative' && has(words, SELF_HARM),
  },
  {
    category: 'hate',
    rule: 'hate.speech',
    applies: (words, kind) => kind !== 'negative' && has(words, HATE),
  },
  {
    category: 'violence',
    rule: 'violence.gore',
    applies: (words, kind) => kind === 'picture' && has(words, GORE),
  },
  {
    category: 'violence',
    rule: 'violence.instructions',
    applies: (words, kind) => kind !== 'negative' && has(words, INSTRUCTIONS),
  },
];

/** A minor together with what is sexual: anywhere in a picture, close by where it may be chance. */
function sexualisesMinor(words: readonly Word[], kind: TextKind): boolean {
  const minors = findMinors(words, kind);
  if (minors.length === 0) return false;
  switch (kind) {
    case 'picture':
      return (
        has(words, sexual.SEXUAL_PICTURE) ||
        areNear(minors, findPhrases(words, sexual.HINTS_PICTURE), NEAR_PICTURE)
      );
    case 'negative': {
      // "nude, child" is a list of what is unwanted; "nude child" is one thing.
      const marked = [sexual.SEXUAL_PICTURE, sexual.HINTS_PICTURE].flatMap((phrases) =>
        findPhrases(words, phrases),
      );
      return minors.some((a) => marked.some((b) => partOf(words, a) === partOf(words, b)));
    }
    case 'words':
      return areNear(minors, findPhrases(words, sexual.HINTS_WORDS), NEAR_WORDS);
  }
}

/** The negative prompt's field when it takes the clothes off a minor of the prompt. */
function findUndressed(
  read: readonly { kind: TextKind; field: string; readings: readonly Word[][] }[],
): string | null {
  const shown = read.find(({ kind }) => kind === 'picture');
  const negative = read.find(({ kind }) => kind === 'negative');
  if (!shown || !negative) return null;
  if (!shown.readings.some((words) => findMinors(words, 'picture').length > 0)) return null;
  const alone = negative.readings.some((words) =>
    words.some(
      ({ spellings, part }, at) =>
        spellings.some((spelling) => CLOTHES.has(spelling)) &&
        words[at - 1]?.part !== part &&
        words[at + 1]?.part !== part,
    ),
  );
  return alone ? negative.field : null;
}

/** The text's words, and squeezed where that makes others. */
function readingsOf(text: string): Word[][] {
  const words = toWords(text);
  if (isOrdinary(text)) return [words];
  const squeezed = toSqueezedWords(text);
  const isSame =
    words.length === squeezed.length &&
    words.every(({ spellings }, at) => spellings[0] === squeezed[at]?.spellings[0]);
  return isSame ? [words] : [words, squeezed];
}

function findMinors(words: readonly Word[], kind: TextKind): Span[] {
  const names = kind === 'words' ? minor.MINORS_WORDS : minor.MINORS_PICTURE;
  return [...findPhrases(words, names), ...minor.findAges(words)];
}

function has(words: readonly Word[], phrases: PhraseSet): boolean {
  return findPhrases(words, phrases).length > 0;
}

function areNear(some: readonly Span[], others: readonly Span[], gapMax: number): boolean {
  return some.some((a) => others.some((b) => Math.max(a.from - b.to, b.from - a.to) <= gapMax));
}

function partOf(words: readonly Word[], span: Span): number | undefined {
  return words[span.from]?.part;
}

/** The words, without those of phrases that mean something else. */
function blankAllowed(words: readonly Word[]): Word[] {
  const kept = [...words];
  for (const { from, to } of findPhrases(words, ALLOWED)) kept.fill(NOTHING, from, to);
  return kept;
}

function toVerdict(found: Omit<Verdict, 'severity'>): Verdict {
  return { ...found, severity: found.category === 'sexual_minors' ? 'severe' : 'normal' };
}
