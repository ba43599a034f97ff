/** How near two words are, for typing errors. Pure. */

/**
 * Optimal string alignment: the least number of letters inserted, left out, replaced or swapped
 * with their neighbour. Words here have 64 characters at most.
 */
export function editDistance(from: string, to: string): number {
  let before: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let row = 1; row <= from.length; row += 1) {
    const next = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const same = from[row - 1] === to[column - 1];
      let least = Math.min(
        last[column]! + 1,
        next[column - 1]! + 1,
        last[column - 1]! + (same ? 0 : 1),
      );
      const swapped = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      if (row > 1 && column > 1 && swapped) least = Math.min(least, before[column - 2]! + 1);
      next.push(least);
    }
    before = last;
    last = next;
  }
  return last[to.length]!;
}

/** The words that `said` may be a slip of, nearest first: one slip in three letters at most. */
export function nearest(said: string, words: readonly string[]): string[] {
  const slips = Math.min(2, Math.floor(said.length / 3));
  return words
    .map((word) => ({ word, distance: editDistance(said, word) }))
    .filter(({ distance }) => distance <= slips)
    .toSorted((a, b) => a.distance - b.distance)
    .map(({ word }) => word);
}
