/**
 * How a request begins: "please generate 4 square images of …". The words of asking are dropped,
 * how many and how large is read, and what kind of thing is asked for is held against what the
 * bot makes. Words that say what a picture is ("photo", "drawing") stay. Pure.
 */
import { IMAGE_COUNT_MAX } from '#schema/limits.ts';
import type { JobType } from '#schema/model.ts';
import type { Choice, Doubt } from './draft.ts';
import { DECIMAL, WHOLE, toNumber } from './number.ts';
import { combine, readNumber, readSettings } from './setting.ts';
import type { Reading } from './setting.ts';
import { FORMATS } from './size.ts';

/** How a sentence may begin that asks for something. */
const ASKING =
  /^(?:(?:hey|hi|hello|ok|okay|now|and|then)[\s,!.]+)*(?:(?:please|pls|plz)[\s,]+)?(?:(?:can|could|would|will)\s+you\s+(?:please\s+)?|i(?:['’]d|\s+would)?\s+(?:like|want|need)\s+(?:you\s+to\s+|to\s+(?:have|see|get)\s+)?|let['’]?s\s+)?(?:please\s+)?/i;
const VERB =
  /^(?:generate|create|make|draw|paint|render|produce|imagine|design|sketch|show|give|compose|animate|film|write|sing|transcribe|say|speak|do)\b(?:\s+(?:me|us))?(?:\s+(?:out))?\s*:?\s*/i;

/** Sides of what is asked for as small, pixels. */
const SMALL: Readonly<Record<string, number>> = { small: 512, tiny: 256 };
const ADJECTIVE = String.raw`(?:small|tiny|${Object.keys(FORMATS).join('|')}|\d{1,2}:\d{1,2}|\d{2,5}\s*[x×]\s*\d{2,5}|(?:${DECIMAL}|${WHOLE})[\s-]*(?:seconds?|secs?|s|minutes?|mins?)(?:[\s-]+long)?)`;
const NOUNS: Readonly<Record<string, JobType>> = {
  image: 'image',
  picture: 'image',
  pic: 'image',
  photo: 'image',
  photograph: 'image',
  painting: 'image',
  drawing: 'image',
  sketch: 'image',
  wallpaper: 'image',
  poster: 'image',
  logo: 'image',
  video: 'video',
  clip: 'video',
  animation: 'video',
  movie: 'video',
  gif: 'video',
  song: 'music',
  track: 'music',
  tune: 'music',
  melody: 'music',
  jingle: 'music',
};
/** These say no more than that it is a picture or clip: they go. */
const EMPTY = /^(?:image|picture|pic|video|clip|song|track)s?$/i;
const NOUN = Object.keys(NOUNS)
  .map((noun) => `${noun}s?`)
  .join('|');
const LEAD = new RegExp(
  String.raw`^(?:(?<many>an?|another|some|several|a few|a couple(?: of)?|${WHOLE})\s+)?(?<how>(?:${ADJECTIVE}\s+)*)(?<like>(?:(?!of\b|and\b|or\b)[a-z][a-z-]*\s+){0,2}?)(?<noun>${NOUN})\b\s*(?<link>(?:of|about|showing|depicting|with|where|for|in which)\b|:)\s*(?=\S)`,
  'i',
);
/** A thing with nothing said of it: "a picture", "some short videos?". */
const BARE = new RegExp(
  String.raw`^(?<many>an?|another|some|any|several|a few|${WHOLE})?\s*(?<how>(?:${ADJECTIVE}\s+)*)(?:(?:nice|cool|short|funny|beautiful)\s+)?(?<noun>${NOUN})(?:\s+(?:for me|please|too|as well))?[\s.!?]*$`,
  'i',
);
/** Only a verb may stand before these: "video of a cat" may be a caption. */
const VAGUE = /^(?:some|several|a few|a couple)/i;

interface Lead {
  readonly rest: string;
  readonly reading: Reading;
  /** It asks for something in so many words. */
  readonly asks: boolean;
}

/** Reads the beginning of a request. */
export function readLead(text: string, type: JobType): Lead {
  const trimmed = text.trim();
  const { rest, asks } = dropAsking(trimmed);
  const bare = asks ? BARE.exec(rest)?.groups : undefined;
  if (bare) {
    const reading = { fields: {}, doubts: checkNoun(bare['noun']!, type), plain: true };
    const settings = readHow(bare['how'] ?? '', type);
    return { rest: '', reading: settings ? combine(reading, settings) : reading, asks };
  }
  const match = LEAD.exec(rest);
  const { many = '', how = '', like = '', noun = '', link = '' } = match?.groups ?? {};
  // "A funny picture of …" is left as it is: only a number before it says how many.
  const isCounted = new RegExp(`^(?:${WHOLE})$`, 'i').test(many) || VAGUE.test(many);
  if (!match || (like !== '' && !isCounted)) {
    return { rest, reading: { fields: {}, doubts: [], plain: true }, asks };
  }
  let reading: Reading = { fields: {}, doubts: [...checkNoun(noun, type)], plain: true };
  if (type === 'image') reading = combine(reading, readMany(many));
  const settings = readHow(how, type);
  if (settings) reading = combine(reading, settings);
  const after = rest.slice(match[0].length);
  const kept =
    EMPTY.test(noun) && like === ''
      ? ''
      : `${like}${noun.replace(/s$/i, '')} ${link} `.replace(' : ', ': ');
  return { rest: `${kept}${after}`, reading, asks: true };
}

/** "Small", "square", "16:9": what stands between the number and the noun. */
function readHow(how: string, type: JobType): Reading | null {
  const small = /\b(small|tiny)\s+/i.exec(how);
  const settings = readSettings(small ? how.replace(small[0], '') : how, type);
  if (!small || type !== 'image' || settings?.fields.width !== undefined) return settings;
  const side = SMALL[small[1]!.toLowerCase()]!;
  const sized = { fields: { width: side, height: side }, doubts: [], plain: true };
  return settings ? combine(settings, sized) : sized;
}

/** Without the words of asking, where there are any. */
export function dropAsking(text: string): { rest: string; asks: boolean } {
  const asking = ASKING.exec(text)?.[0] ?? '';
  const after = text.slice(asking.length);
  const verb = VERB.exec(after)?.[0] ?? '';
  const isWish = /like|want|need/i.test(asking);
  if (verb === '' && !isWish) return { rest: text, asks: false };
  return { rest: after.slice(verb.length).trim(), asks: true };
}

function checkNoun(noun: string, have: JobType): Doubt[] {
  const asked = NOUNS[noun.toLowerCase()] ?? NOUNS[noun.toLowerCase().replace(/s$/, '')];
  if (
    asked === undefined ||
    asked === have ||
    (have !== 'image' && have !== 'video' && have !== 'music')
  )
    return [];
  // Pictures in motion begin with a picture: "a photo of …" is a fair prompt for a video.
  if (have === 'video' && asked === 'image' && !EMPTY.test(noun)) return [];
  const label = { image: 'Make a picture', video: 'Make a video', music: 'Make music' }[have];
  return [{ about: { reason: 'other_type', asked, have }, choices: [{ label, fields: {} }] }];
}

function readMany(many: string): Reading {
  if (VAGUE.test(many)) {
    const choices: Choice[] = [2, 3, IMAGE_COUNT_MAX].map((count) => ({
      label: `${count} pictures`,
      fields: { count },
    }));
    return { fields: {}, doubts: [{ about: { reason: 'how_many' }, choices }], plain: true };
  }
  if (many === '' || /^(?:an?|another)$/i.test(many)) {
    return { fields: {}, doubts: [], plain: true };
  }
  return { ...readNumber('count', toNumber(many), 'image'), plain: true };
}
