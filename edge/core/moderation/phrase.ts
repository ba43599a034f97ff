/**
 * Finds phrases among words, all of a set in one pass. A phrase is written as its words with
 * spaces between; `a|b` is either word, `_` any one word. A word is met in any of its spellings.
 * Pure; the cost is words times the longest phrase.
 */
import type { Word } from './fold.ts';

/** Any one word. */
const ANY = '_';

interface Node {
  readonly next: Map<string, Node>;
  isEnd: boolean;
}

/** Phrases to look for. */
export type PhraseSet = Node;

/** Words `from` (inclusive) to `to` (exclusive). */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** The phrases of some texts, one a line; blank lines are for the reader. */
export function compilePhrases(...texts: string[]): PhraseSet {
  const root: Node = { next: new Map(), isEnd: false };
  for (const line of texts.join('\n').split('\n')) {
    const words = line.trim().split(/\s+/).filter(Boolean);
    if (words.length > 0) add(root, words);
  }
  return root;
}

/** Where phrases of the set stand; at each place the longest. */
export function findPhrases(words: readonly Word[], phrases: PhraseSet): Span[] {
  const spans: Span[] = [];
  for (let from = 0; from < words.length; from += 1) {
    if (!begins(words[from]!, phrases)) continue;
    const to = longest(words, { node: phrases, at: from });
    if (to > from) spans.push({ from, to });
  }
  return spans;
}

function add(node: Node, [word, ...rest]: readonly string[]): void {
  if (word === undefined) {
    node.isEnd = true;
    return;
  }
  for (const choice of word.split('|')) {
    let next = node.next.get(choice);
    if (!next) {
      next = { next: new Map(), isEnd: false };
      node.next.set(choice, next);
    }
    add(next, rest);
  }
}

/** Most words begin no phrase. */
function begins({ spellings }: Word, { next }: Node): boolean {
  for (const spelling of spellings) if (next.has(spelling)) return true;
  return next.has(ANY);
}

/** The end of the longest phrase that goes on from here, or 0. */
function longest(words: readonly Word[], { node, at }: { node: Node; at: number }): number {
  let end = node.isEnd ? at : 0;
  const word = words[at];
  if (!word || node.next.size === 0) return end;
  const any = node.next.get(ANY);
  if (any) end = Math.max(end, longest(words, { node: any, at: at + 1 }));
  for (const spelling of word.spellings) {
    const next = node.next.get(spelling);
    if (next) end = Math.max(end, longest(words, { node: next, at: at + 1 }));
  }
  return end;
}
