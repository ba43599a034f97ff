/**
 * What an engine's process writes: kept in a file of bounded size with one older one beside it,
 * and its last words in memory. Writing never blocks, and never fails whoever writes: on a full
 * disk the words are lost, and counted.
 */
import { appendFile, mkdir, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { JOURNAL_BYTES_MAX, JOURNAL_WAITING_BYTES_MAX, WORDS_CHARS_MAX } from './limits.ts';

/** Appends to a file; rejects as the file system does. */
export type Append = (path: string, bytes: Buffer) => Promise<void>;

/** What a terminal obeys, and a log must not have; colours are taken out before. */
const CONTROL = /[^\P{C}\n\t]/gu;

export class Journal {
  readonly #path: string;
  readonly #append: Append;
  readonly #bytesMax: number;
  #words = '';
  #waiting = 0;
  #bytes: number | null = null;
  #lost = 0;
  #last: Promise<void> = Promise.resolve();

  constructor(
    path: string,
    {
      append = appendFile,
      bytesMax = JOURNAL_BYTES_MAX,
    }: { append?: Append; bytesMax?: number } = {},
  ) {
    this.#path = path;
    this.#append = append;
    this.#bytesMax = bytesMax;
  }

  /** The end of what was written since `begin`, without colours. */
  get words(): string {
    return this.#words.trim();
  }

  /** Bytes that could not be kept. */
  get lost(): number {
    return this.#lost;
  }

  /** A new process: its words are not those of the one before. */
  begin(line: string): void {
    this.#words = '';
    this.#keep(Buffer.from(line));
  }

  write(bytes: Buffer): void {
    const heard = this.#words + stripVTControlCharacters(bytes.toString()).replace(CONTROL, '');
    this.#words = heard.slice(-WORDS_CHARS_MAX);
    this.#keep(bytes);
  }

  /** Settles when all that was kept is written. */
  async settled(): Promise<void> {
    await this.#last;
  }

  #keep(bytes: Buffer): void {
    if (this.#waiting + bytes.length > JOURNAL_WAITING_BYTES_MAX) {
      this.#lost += bytes.length;
      return;
    }
    this.#waiting += bytes.length;
    this.#last = this.#last.then(async () => {
      try {
        await this.#put(bytes);
      } catch {
        // A full disk: the engine goes on, its words do not.
        this.#lost += bytes.length;
      } finally {
        this.#waiting -= bytes.length;
      }
    });
  }

  async #put(bytes: Buffer): Promise<void> {
    if (this.#bytes === null) {
      await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
      this.#bytes = await sizeOf(this.#path);
    }
    if (this.#bytes > 0 && this.#bytes + bytes.length > this.#bytesMax) {
      const older = `${this.#path}.1`;
      await rm(older, { force: true });
      await rename(this.#path, older);
      this.#bytes = 0;
    }
    await this.#append(this.#path, bytes);
    this.#bytes += bytes.length;
  }
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch {
    // None yet.
    return 0;
  }
}
