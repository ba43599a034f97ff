/** Reads server-sent events (html.spec.whatwg.org, 9.2) one by one, for tests. */
import type { Subscription } from '../rpc/feed.ts';

export interface TestEvent {
  readonly id?: number;
  readonly event: string;
  readonly data: Record<string, unknown>;
}

export class EventReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #decoder = new TextDecoder();
  #text = '';
  /** Comments met so far. */
  comments = 0;

  readonly #place: Subscription['place'] | null;

  constructor(stream: ReadableStream<Uint8Array>, place: Subscription['place'] | null = null) {
    this.#reader = stream.getReader();
    this.#place = place;
  }

  /** The next event, or null at the end of the stream. */
  async next(): Promise<TestEvent | null> {
    for (;;) {
      const end = this.#text.indexOf('\n\n');
      if (end >= 0) {
        const block = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 2);
        const event = this.#parse(block);
        if (event) return event;
        continue;
      }
      const { done, value } = await this.#reader.read();
      if (done) return null;
      this.#text += this.#decoder.decode(value, { stream: true });
    }
  }

  /** All events up to the end of the stream. */
  async rest(): Promise<TestEvent[]> {
    const events: TestEvent[] = [];
    for (let event = await this.next(); event; event = await this.next()) events.push(event);
    return events;
  }

  async cancel(): Promise<void> {
    await this.#reader.cancel();
    this.#place?.[Symbol.dispose]();
  }

  #parse(block: string): TestEvent | null {
    const fields = new Map<string, string>();
    for (const line of block.split('\n')) {
      const at = line.indexOf(':');
      if (at === 0) this.comments += 1;
      else fields.set(line.slice(0, at), line.slice(at + 2));
    }
    const [event, data, id] = [fields.get('event'), fields.get('data'), fields.get('id')];
    if (event === undefined || data === undefined) return null;
    return { ...(id === undefined ? {} : { id: Number(id) }), event, data: JSON.parse(data) };
  }
}

/** All text of some events. */
export function textOf(events: readonly TestEvent[]): string {
  return events
    .filter(({ event }) => event === 'text')
    .map(({ data }) => data['text'] as string)
    .join('');
}
