/** A text as the stretches between its commas, line ends and full stops, and back. Pure. */

/** A stretch between commas or line ends, with the mark before it. */
export interface Segment {
  readonly mark: string;
  readonly text: string;
}

/** Segments put together again as they were. */
export function joinSegments(segments: readonly Segment[]): string {
  return segments
    .filter(({ text }) => text.trim() !== '')
    .map(({ mark, text }, index) => (index === 0 ? text.trim() : `${mark}${text.trim()}`))
    .join('')
    .replace(/[\s,;]+$/, '')
    .trim();
}

/** A text as its segments, none of them empty. */
export function splitSegments(text: string): Segment[] {
  const parts = text.split(/(\s*[,;]\s*|\s*\n\s*|\.\s+)/);
  const segments: Segment[] = [];
  for (let index = 0; index < parts.length; index += 2) {
    segments.push({ mark: index === 0 ? '' : parts[index - 1]!, text: parts[index]! });
  }
  return segments.filter(({ text: part }) => part.trim() !== '');
}
