/**
 * A log file of bounded size: past the bound it becomes NAME.1 and a new one begins,
 * so a part that runs for weeks never fills the disk. Writes are in order and not awaited.
 */
import { appendFileSync, mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

const LOG_BYTES_MAX = 8 * 1024 * 1024;

export class LogFile {
  readonly path: string;
  #bytes: number;

  constructor(path: string) {
    this.path = path;
    mkdirSync(dirname(path), { recursive: true });
    this.#bytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  }

  write(chunk: Buffer): void {
    if (this.#bytes + chunk.length > LOG_BYTES_MAX) {
      renameSync(this.path, `${this.path}.1`);
      this.#bytes = 0;
    }
    appendFileSync(this.path, chunk, { mode: 0o600 });
    this.#bytes += chunk.length;
  }
}
