/**
 * What happened in a world, line by line: a checksum of all, so that two runs of a seed can be
 * compared, its tail kept for a failure, and printed as it grows when asked.
 */
import { crc32 } from 'node:zlib';

/** Lines kept for the report of a failure. */
const TAIL_LINES = 60;
const LINE_CHARS_MAX = 400;
const FLUSH_CHARS = 1 << 16;

export class Trace {
  #hash = 0;
  readonly #print: ((line: string) => void) | null;
  readonly #tail: string[] = [];
  #buffer = '';
  lines = 0;

  constructor(print: ((line: string) => void) | null) {
    this.#print = print;
  }

  add(line: string): void {
    this.lines += 1;
    this.#buffer += line;
    this.#buffer += '\n';
    if (this.#buffer.length > FLUSH_CHARS) this.#flush();
    this.#tail[this.lines % TAIL_LINES] = line;
    this.#print?.(line);
  }

  /** The last lines, oldest first, shortened. */
  tail(): string[] {
    const from = (this.lines + 1) % TAIL_LINES;
    const kept = [...this.#tail.slice(from), ...this.#tail.slice(0, from)];
    return kept
      .filter((line) => line !== undefined)
      .map((line) => (line.length > LINE_CHARS_MAX ? `${line.slice(0, LINE_CHARS_MAX)}…` : line));
  }

  /** The checksum of all lines; call once, at the end. */
  digest(): string {
    this.#flush();
    return this.#hash.toString(16).padStart(8, '0');
  }

  #flush(): void {
    this.#hash = crc32(this.#buffer, this.#hash);
    this.#buffer = '';
  }
}
