/** Numbers as people write them: digits, or words up to twelve. Pure. */

const WORDS = [
  'zero',
  'one',
  'two',
  'three',
  'four',
  'five',
  'six',
  'seven',
  'eight',
  'nine',
  'ten',
  'eleven',
  'twelve',
] as const;

/** For patterns: a whole number. */
export const WHOLE = String.raw`\d{1,12}|${WORDS.slice(1).join('|')}`;
/** For patterns: a number with a point or without. */
export const DECIMAL = String.raw`\d{1,6}(?:\.\d{1,6})?`;

/** The number that a match of WHOLE or DECIMAL means. */
export function toNumber(text: string): number {
  const word = (WORDS as readonly string[]).indexOf(text.toLowerCase());
  return word >= 0 ? word : Number(text);
}
