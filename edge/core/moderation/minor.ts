/** Words for minors, those that sexualise them by themselves, and ages under eighteen. */
import type { Word } from './fold.ts';
import { compilePhrases, findPhrases } from './phrase.ts';
import type { Span } from './phrase.ts';

const NAMES = `
  child|children|kid|toddler|preteen|tween|teen|teenage|teenaged|teenager|adolescent|youngster
  underage|underaged|minors|schoolgirl|schoolboy|schoolchild|schoolchildren|schoolkid
  kindergarten|kindergartener|kindergartner|preschooler|prepubescent|pubescent|lolita
  pre|early teen|pubescent
  under age
  little|young|small|tiny girl|boy|sister|brother|daughter|son
  school girl|boy|child|kid
  middle|elementary|primary|grade|junior|high school|schooler
  middle|grade|high schooler
  first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth grader
  1st|2nd|3rd|4th|5th|6th|7th|8th|9th|10th grader
  boy|girl|cub scout
`;
const SMALL_ONES = `
  baby|babies|infant|newborn
`;
const DIRECT = `
  loli|lolis|lolicon|shota|shotas|shotacon|toddlercon|cunny|jailbait
  child|children|kiddie|kiddy|kid|kids|teen|preteen|toddler|infant|underage porn|porno|pornography
  child|kid|preteen|underage|toddler erotica|nude|nudes|nudity|sex|hentai
  preteen model
  barely legal
`;
const DIRECT_PICTURE = `
  pedo|paedo|pedophile|paedophile|pedophilia|paedophilia|pedophilic|csam
`;

export const MINORS_PICTURE = compilePhrases(NAMES, SMALL_ONES);
export const MINORS_WORDS = compilePhrases(NAMES);
export const DIRECT_IN_PICTURE = compilePhrases(DIRECT, DIRECT_PICTURE);
export const DIRECT_IN_WORDS = compilePhrases(DIRECT);

const ADULT_AGE = 18;
const NUMBERS: Readonly<Record<string, number>> = {
  one: 1,
  two: 2,
  three: 3,
  four: 4,
  five: 5,
  six: 6,
  seven: 7,
  eight: 8,
  nine: 9,
  ten: 10,
  eleven: 11,
  twelve: 12,
  thirteen: 13,
  fourteen: 14,
  fifteen: 15,
  sixteen: 16,
  seventeen: 17,
};
/** What follows a number that is an age, and what goes before one. */
const AGE_AFTER = compilePhrases(`
  yo|yrold|yearold
  y o|old
  year|yr|month|week|day old|olds
  year|years of age
`);
const AGE_BEFORE = new Set(['age', 'aged', 'ages']);

/** Where the words name an age under eighteen. */
export function findAges(words: readonly Word[]): Span[] {
  return words.flatMap(({ spellings: [word = ''] }, at) => {
    const short = /^(\d{1,2})(yo|yr|yrs|y)$/.exec(word);
    if (short) return Number(short[1]) < ADULT_AGE ? [{ from: at, to: at + 1 }] : [];
    const age = NUMBERS[word] ?? (/^\d{1,2}$/.test(word) ? Number(word) : ADULT_AGE);
    if (age >= ADULT_AGE || age < 1) return [];
    const before = words[at - 1]?.spellings[0] ?? '';
    if (AGE_BEFORE.has(before)) return [{ from: at - 1, to: at + 1 }];
    const after = findPhrases(words.slice(at + 1, at + 4), AGE_AFTER);
    return after.some(({ from }) => from === 0) ? [{ from: at, to: at + 2 }] : [];
  });
}
