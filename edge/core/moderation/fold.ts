/**
 * Folds a text into plain words, so that a rule written once meets every spelling of its words:
 * other alphabets' look-alikes, accents, invisible characters, digits and signs for letters,
 * letters set apart or drawn out. Pure; linear in the text. It does not translate, and does not
 * mend a word that is cut in two by a single space: whole words of one letter could be anything.
 */

/** A word, by each spelling that it may stand for. */
export interface Word {
  readonly spellings: readonly string[];
  /** Its number among the parts that commas and line ends make. */
  readonly part: number;
}

/** Longest word looked at: no word of a rule is longer. */
const WORD_CHARS_MAX = 40;
/** Single letters in a row that are one word set apart: "n u d e". */
const SPACED_LETTERS_MIN = 3;

/** Letters of other alphabets, and small capitals, that look like Latin ones. */
const LOOK_ALIKES = toMap(
  'аa еe оo рp сc уy хx іi ѕs јj һh кk мm тt вb нh ԁd ԛq ԝw ьb гr пn ѵv',
  'αa βb εe ιi κk νv οo ρp τt υu χx ηn ωw γy μu σo ςs',
  'ıi łl øo đd ðd ɡg ɑa ʀr ɴn ɪi ʟl ʏy ʜh ɢg ʙb ᴀa ᴄc ᴅd ᴇe ꜰf ғf ᴊj ᴋk ᴍm ᴏo ᴘp ꜱs ᴛt ᴜu ᴠv ᴡw ᴢz',
  'ոn սu օo ցg հh յj',
);
/** Digits and signs that stand for letters inside a word. */
const LEET = toMap('0o 1i 3e 4a 5s 7t 8b 9g @a $s !i +t |l €e');

/** All of ASCII: nothing to fold but case. */
const PLAIN = /^[\0-\x7f]*$/;
/**
 * Words of plain letters with at most a sign behind each: in most texts nothing is hidden.
 * Not `\s`: folding takes U+FEFF away, and joins what it stands between.
 */
const ORDINARY = /^(?:[a-z]+[,;:.!?]*[ \t\r\n]+)*[a-z]+[,;:.!?]*[ \t\r\n]*$/i;
const LETTERS = /^[a-z]+$/;
const BREAK = /[^\p{L}\p{N}]+/u;
const PLAIN_BREAK = /[^a-z0-9]+/;
const DRAWN_OUT = /(.)\1\1/u;
const INVISIBLE = /[\p{Cf}\p{M}\u115f\u1160\u3164\uffa0]/gu;
const SEPARATOR = /[\s,;:(){}[\]<>"“”«»/\\?…]+/u;
const PART = /[,;\n|]/;
/** Looking back keeps it linear: a run of signs inside a word is begun once, not at each sign. */
const SIGNS_AROUND = /^[!.'’+|-]+|(?<![!.'’+|-])[!.'’+|-]+$/gu;

/** Whether `toSqueezedWords` makes the same words of it as `toWords`, seen at a glance. */
export function isOrdinary(text: string): boolean {
  return ORDINARY.test(text);
}

/** The words of a text as they stand between spaces and signs. */
export function toWords(text: string): Word[] {
  const between = PLAIN.test(text) ? PLAIN_BREAK : BREAK;
  return splitParts(text).flatMap((piece, part) =>
    joinSpaced(piece.split(between)).map((word) => ({ part, spellings: spell(word) })),
  );
}

/** The words between spaces, without the signs inside them: "w.o.r.d" is a word. */
export function toSqueezedWords(text: string): Word[] {
  return splitParts(text).flatMap((piece, part) =>
    joinSpaced(piece.split(SEPARATOR).map(squeeze)).map((word) => ({
      part,
      spellings: spell(word),
    })),
  );
}

/** Lower-case Latin letters where a character is or looks like one. */
function fold(text: string): string {
  if (PLAIN.test(text)) return text.toLowerCase();
  return Array.from(
    text.normalize('NFKD').replaceAll(INVISIBLE, '').toLowerCase(),
    (char) => LOOK_ALIKES.get(char) ?? fromSymbol(char),
  ).join('');
}

function splitParts(text: string): string[] {
  return fold(text).split(PART);
}

function squeeze(chunk: string): string {
  // Most words: nothing in them stands for anything else.
  if (LETTERS.test(chunk)) return chunk;
  const inner = chunk.replaceAll(SIGNS_AROUND, '');
  if (!/\p{L}/u.test(inner)) return inner.replaceAll(/[^\p{N}]/gu, '');
  return toLetters(inner).replaceAll(/[^\p{L}\p{N}]/gu, '');
}

function toLetters(word: string): string {
  return Array.from(word, (char) => LEET.get(char) ?? char).join('');
}

/** Joins letters that stand alone in a row. */
function joinSpaced(pieces: readonly string[]): string[] {
  const words: string[] = [];
  let run: string[] = [];
  const endRun = () => {
    if (run.length >= SPACED_LETTERS_MIN) words.push(run.join(''));
    else words.push(...run);
    run = [];
  };
  for (const piece of pieces) {
    if (piece === '') continue;
    // A letter is two units of UTF-16 at most.
    if (piece.length <= 2 && /^\p{L}$/u.test(piece)) run.push(piece);
    else {
      endRun();
      words.push(piece.slice(0, WORD_CHARS_MAX));
    }
  }
  endRun();
  return words;
}

/** The word, and without digits for letters, letters drawn out, or the ending of a plural. */
function spell(word: string): readonly string[] {
  if (/^[a-z]*[a-rt-z]$/.test(word) && !DRAWN_OUT.test(word)) return [word];
  const found = new Set([word]);
  if (/\p{L}/u.test(word) && /\d/.test(word)) found.add(toLetters(word));
  for (const spelling of [...found]) {
    if (!DRAWN_OUT.test(spelling)) continue;
    found.add(spelling.replaceAll(/(.)\1{2,}/gu, '$1'));
    found.add(spelling.replaceAll(/(.)\1{2,}/gu, '$1$1'));
  }
  for (const spelling of [...found]) {
    if (spelling.length > 3 && spelling.endsWith('s')) found.add(spelling.slice(0, -1));
    if (spelling.length > 4 && spelling.endsWith('es')) found.add(spelling.slice(0, -2));
  }
  return [...found];
}

/** Letters in circles and squares that Unicode does not decompose, and regional indicators. */
function fromSymbol(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  for (const first of [0x1f150, 0x1f170, 0x1f1e6]) {
    if (code >= first && code < first + 26) return String.fromCodePoint(97 + code - first);
  }
  return char;
}

function toMap(...lists: string[]): ReadonlyMap<string, string> {
  const pairs = lists.join(' ').split(' ');
  return new Map(pairs.map((pair) => [pair.slice(0, -1), pair.slice(-1)]));
}
