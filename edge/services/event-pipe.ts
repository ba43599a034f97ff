/**
 * Pipes server-sent events from a feed to a client and lets others be put between two of them,
 * never inside one: bytes come in any pieces, and an event ends with an empty line. A comment
 * every `commentMs` keeps proxies from closing a quiet connection.
 * One loop writes, so order is plain. Either side's end, or an error, releases everything.
 */
import type { Subscription } from '../rpc/feed.ts';

const NEWLINE = 10;
const ENCODER = new TextEncoder();
const COMMENT = ENCODER.encode(':\n\n');

export class EventPipe {
  readonly readable: ReadableStream<Uint8Array>;
  /** Settles when nothing more will be written; never rejects. */
  readonly done: Promise<void>;
  readonly #place: Subscription['place'];
  readonly #source: ReadableStreamDefaultReader<Uint8Array>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  /** The event to put in next; a newer one replaces it, so that none pile up. */
  #insert: (() => Promise<string>) | null = null;
  #isCommentDue = false;
  #isEnding = false;
  #wake: () => void = () => {};
  /** The last two bytes written; at first, whether something may come before the feed's events. */
  #tail: readonly [number, number];

  constructor(
    { events, place }: Subscription,
    { commentMs, feedFirst }: { commentMs: number; feedFirst: boolean },
  ) {
    this.#tail = feedFirst ? [0, 0] : [NEWLINE, NEWLINE];
    const { readable, writable } = new IdentityTransformStream();
    this.readable = readable;
    this.#source = events.getReader();
    this.#place = place;
    this.#writer = writable.getWriter();
    // A write that fails says the same.
    this.#writer.closed.catch(() => {});
    this.done = this.#run(commentMs);
  }

  /** Puts an event, made when its turn comes, between two of the feed. */
  insert(make: () => Promise<string>): void {
    this.#insert = make;
    this.#wake();
  }

  /** Ends the stream, after what was inserted. */
  end(): void {
    this.#isEnding = true;
    this.#wake();
  }

  async #run(commentMs: number): Promise<void> {
    const timer = setInterval(() => {
      this.#isCommentDue = true;
      this.#wake();
    }, commentMs);
    try {
      await this.#pump();
      await this.#writer.close();
    } catch (error) {
      // Either side broke; the client comes back with the id of the last event it has.
      await this.#writer.abort(error).catch(() => {});
    } finally {
      clearInterval(timer);
      await this.#source.cancel().catch(() => {});
      this.#place[Symbol.dispose]();
    }
  }

  async #pump(): Promise<void> {
    let reading = this.#read();
    let isOpen = true;
    while (isOpen) {
      const woken = new Promise<null>((resolve) => {
        this.#wake = () => resolve(null);
      });
      if (this.#hasWork()) this.#wake();
      const read = await Promise.race([reading, woken]);
      if (read?.done) isOpen = false;
      if (read?.value) {
        await this.#write(read.value);
        reading = this.#read();
      }
      if (this.#isBetween()) isOpen = (await this.#writeBetween()) && isOpen;
    }
  }

  #read(): Promise<ReadableStreamReadResult<Uint8Array>> {
    const reading = this.#source.read();
    // Nobody waits for it any more when a write fails meanwhile.
    reading.catch(() => {});
    return reading;
  }

  #hasWork(): boolean {
    return this.#isBetween() && (this.#isCommentDue || this.#isEnding || this.#insert !== null);
  }

  /** False when the stream is to end. */
  async #writeBetween(): Promise<boolean> {
    const make = this.#insert;
    this.#insert = null;
    if (make) await this.#write(ENCODER.encode(await make()));
    if (this.#isCommentDue) await this.#write(COMMENT);
    this.#isCommentDue = false;
    return !this.#isEnding;
  }

  async #write(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    this.#tail = [bytes.length > 1 ? bytes.at(-2)! : this.#tail[1], bytes.at(-1)!];
    await this.#writer.write(bytes);
  }

  #isBetween(): boolean {
    return this.#tail[0] === NEWLINE && this.#tail[1] === NEWLINE;
  }
}
