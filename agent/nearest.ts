/** The setting that somebody meant who wrote another name. Pure. */
import { editDistance } from '#schema/near.ts';

/**
 * Of those known that have all its words (parts between `_`), else of all, the one that takes the
 * fewest letters to change.
 */
export function nearestOf(written: string, known: readonly string[]): string {
  const words = written.split('_');
  const longer = known.filter((name) => words.every((word) => name.split('_').includes(word)));
  const names = longer.length > 0 ? longer : known;
  const distances = names.map((name) => ({ name, distance: editDistance(written, name) }));
  return distances.reduce((best, one) => (one.distance < best.distance ? one : best)).name;
}
