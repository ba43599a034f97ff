/**
 * What a picture is to be without: "a street without cars or people", ", no text". Only a short
 * stretch of words is taken, up to where the sentence goes on; the rest stays in the prompt. Pure.
 */
import { joinSegments } from './segment.ts';
import type { Segment } from './segment.ts';

const WORDS_MAX = 6;
/** Here the sentence goes on with something else. */
const GOES_ON =
  /\s(?:in|on|at|by|with|under|near|of|from|during|wearing|holding|while|for|but|who|that|which|is|are|standing|sitting|looking|walking|running|against|behind|before|after|over|through|into|inside|outside)\s/i;
const WITHOUT = /(?:^|\s)(?:but\s+)?without\s+(?!a\s+doubt|limits?|end)(.+)$/i;
const NO = /^(?:and\s+|but\s+)?no\s+(.+)$/i;

/** The prompt without such words, and what they name. */
export function readNegative(segments: readonly Segment[]): { prompt: string; without: string } {
  const unwanted: string[] = [];
  const kept = segments.map((segment, index) => {
    const no = index > 0 ? NO.exec(segment.text) : null;
    const without = no ?? WITHOUT.exec(segment.text);
    if (!without) return segment;
    const { named, rest } = cut(without[1]!);
    if (named === '') return segment;
    unwanted.push(named);
    const before = segment.text.slice(0, without.index);
    return { ...segment, text: `${before} ${rest}`.trim().replaceAll(/\s{2,}/g, ' ') };
  });
  const prompt = joinSegments(kept);
  // "without a hat" alone describes nothing.
  if (prompt === '') return { prompt: joinSegments(segments), without: '' };
  return { prompt, without: unwanted.join(', ') };
}

function cut(words: string): { named: string; rest: string } {
  const end = GOES_ON.exec(words);
  const said = end ? words.slice(0, end.index) : words;
  if (said.split(/\s+/).length > WORDS_MAX) return { named: '', rest: words };
  const named = said
    .split(/\s*(?:,|\band\b|\bor\b|\bnor\b)\s*/i)
    .map((part) =>
      part
        .replace(/^(?:any|a|an|the|some)\s+/i, '')
        .replace(/[.!]+$/, '')
        .trim(),
    )
    .filter((part) => part !== '')
    .join(', ');
  return { named, rest: end ? words.slice(end.index).trim() : '' };
}
