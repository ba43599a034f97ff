/**
 * A request for work in plain English: what is to be made, and the settings around it.
 * Settings stand before ("4 images of …"), after ("…, 30 steps, seed 7", "… at 16:9"), or as
 * flags (`--no text`); what is left is the prompt, word for word. What might be either is asked
 * about. Text and speech are taken as they are, but for flags. Pure.
 */
import type { JobType } from '#schema/model.ts';
import type { Doubt, Draft, Fields } from './draft.ts';
import { merge } from './draft.ts';
import { readFlags } from './flag.ts';
import { readLead } from './lead.ts';
import { readNegative } from './negative.ts';
import { joinSegments, splitSegments } from './segment.ts';
import type { Segment } from './segment.ts';
import { combine, readSettings } from './setting.ts';
import type { Reading } from './setting.ts';

const NOTHING: Reading = { fields: {}, doubts: [], plain: true };
const POLITE = /^(?:please|pls|plz|thanks?|thank you|thx|ok|okay)[\s.!]*$/i;
/** Words that lead over to a setting at the end of a sentence. */
const LINKS = /\s(?=(?:at|in|with|using|and|for|as|size|seed|steps?|cfg|x\d|\d))/gi;

/** Reads a request; `given` are fields that were named one by one, which win. */
export function readRequest(text: string, type: JobType, given: Fields = {}): Draft {
  const { rest, ...flagged } = readFlags(text, type);
  const { prompt, reading } =
    type === 'text' || type === 'speech'
      ? { prompt: rest.trim(), reading: NOTHING }
      : readWords(rest, type);
  const all = combine({ ...flagged, plain: false }, reading);
  const fields = merge({ ...all.fields, ...wordsOf(type, prompt) }, given);
  const isOther = ({ about }: Doubt) => about.reason === 'other_type';
  // Before anything else is asked: whether it is to be made here at all.
  const [others, more] = [all.doubts.filter(isOther), all.doubts.filter((one) => !isOther(one))];
  return { type, fields, doubts: [...others, ...missing(type, fields), ...more] };
}

/** The doubts that nothing but more words can settle. */
function missing(type: JobType, fields: Fields): Doubt[] {
  if (type === 'transcription') return [];
  if (fields.prompt !== undefined && fields.prompt.trim() !== '') return [];
  return [{ about: { reason: 'no_prompt', type }, choices: [] }];
}

function wordsOf(type: JobType, prompt: string): Fields {
  return type === 'transcription' || prompt === '' ? {} : { prompt };
}

function readWords(text: string, type: JobType): { prompt: string; reading: Reading } {
  const all = readSettings(text, type);
  if (all) return { prompt: '', reading: all };
  const sized = readInnerSize(text, type);
  const lead = readLead(sized.rest, type);
  let reading: Reading = combine({ ...lead.reading, plain: true }, sized.reading);
  const { kept, taken, last } = readSegments(lead.rest, type);
  for (const one of taken) reading = combine(reading, one);
  const tail = readTail(last, { type, isSure: taken.some(({ plain }) => !plain) });
  const split = type === 'image' || type === 'video' ? readNegative : keepAll;
  const { prompt, without } = split([...kept, tail.isSure ? tail.rest : last]);
  if (without !== '') {
    reading = combine(reading, { ...NOTHING, fields: { negative_prompt: without } });
  }
  if (!tail.reading) return { prompt: dropNothing(prompt), reading };
  if (tail.isSure) return { prompt: dropNothing(prompt), reading: combine(reading, tail.reading) };
  const fields = { ...tail.reading.fields, prompt: split([...kept, tail.rest]).prompt };
  const doubt = settingOrPrompt(tail.said, type, fields);
  return { prompt, reading: { ...reading, doubts: [...reading.doubts, doubt] } };
}

/** "A cat 512x512 on a roof": nothing but a size looks like this, wherever it stands. */
const INNER_SIZE =
  /(?<=\S\s+)(?:(?:at|in|with|size)\s+)?(\d{3,4})\s?[x×]\s?(\d{3,4})(?:\s?(?:px|pixels?)\b)?(?!\s*(?:px|pixels?)\b)(?=\s+[\p{L}-])/iu;

function readInnerSize(text: string, type: JobType): { rest: string; reading: Reading } {
  const match = type === 'image' || type === 'video' ? INNER_SIZE.exec(text) : null;
  const reading = match && readSettings(`${match[1]}x${match[2]}`, type);
  // After it a sentence goes on; where only settings follow, they are read together.
  const after = match ? text.slice(match.index + match[0].length) : '';
  if (!match || !reading || readSettings(after, type)) return { rest: text, reading: NOTHING };
  return { rest: `${text.slice(0, match.index).trimEnd()}${after}`, reading };
}

/** "Make it 512x512" says nothing of what. */
function dropNothing(prompt: string): string {
  return /^(?:it|this|that|one|something|anything|me|an?|the)$/i.test(prompt) ? '' : prompt;
}

function keepAll(segments: readonly Segment[]): { prompt: string; without: string } {
  return { prompt: joinSegments(segments), without: '' };
}

/** Segments that are settings: sure ones anywhere, plain ones at the end of all. */
function readSegments(text: string, type: JobType) {
  const segments = splitSegments(text);
  const taken: Reading[] = [];
  const kept: Segment[] = [];
  let atEnd = true;
  for (const segment of segments.toReversed()) {
    if (atEnd && POLITE.test(segment.text.trim())) continue;
    const reading = readSettings(segment.text, type);
    if (reading && (atEnd || !reading.plain) && !startsPrompt(segment, reading)) {
      taken.unshift(reading);
    } else {
      kept.unshift(segment);
      atEnd = false;
    }
  }
  const last = kept.pop() ?? { mark: '', text: '' };
  return { kept, taken, last };
}

/** "portrait, oil on canvas": the first words are what is to be seen. */
function startsPrompt(segment: Segment, reading: Reading): boolean {
  return segment.mark === '' && reading.plain;
}

interface Tail {
  readonly reading: Reading | null;
  readonly said: string;
  /** The sentence without it. */
  readonly rest: Segment;
  /** It can be nothing but settings. */
  readonly isSure: boolean;
}

/** Settings at the end of a sentence: the longest stretch that is nothing else. */
function readTail(last: Segment, known: { type: JobType; isSure: boolean }): Tail {
  const text = last.text.replace(/\s+(?:please|pls|thanks|thank you)[\s.!]*$/i, '');
  for (const match of ` ${text}`.matchAll(LINKS)) {
    const at = match.index;
    const said = text.slice(at).trim();
    const reading = readSettings(said, known.type);
    if (!reading || (at === 0 && reading.plain)) continue;
    const rest = { ...last, text: text.slice(0, Math.max(0, at - 1)) };
    const isBare = !/^(?:at|in|with|using|and|for|as)\s/i.test(said);
    return { reading, said, rest, isSure: !reading.plain || (known.isSure && !isBare) };
  }
  return { reading: null, said: '', rest: { ...last, text }, isSure: true };
}

/** The choice between a setting and words of the prompt. */
function settingOrPrompt(said: string, type: JobType, fields: Fields): Doubt {
  const about = { reason: 'setting_or_prompt', said, type } as const;
  return {
    about,
    choices: [
      { label: 'It is a setting', fields },
      { label: 'It is part of the scene', fields: {} },
    ],
  };
}
