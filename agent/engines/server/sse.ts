/**
 * Server-sent events as engines write them (html.spec.whatwg.org, section 9.2): the data of each
 * event, in order, however its bytes are cut into chunks. Comments and empty events are left out.
 * An event that the end cuts off is delivered too: some servers omit the last empty line.
 */
import { failed } from './fault.ts';

/** Characters of one event; a token with its frame takes a few hundred. */
const EVENT_CHARS_MAX = 1024 * 1024;

/** The `data` of each event; lines of one event are joined by a line feed. */
export async function* readEvents(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  let data: string[] = [];
  let chars = 0;
  const take = (line: string): string | null => {
    if (line === '') {
      const event = data.length > 0 ? data.join('\n') : null;
      data = [];
      chars = 0;
      return event;
    }
    chars += line.length;
    if (chars > EVENT_CHARS_MAX) throw failed('the stream has an event without an end');
    // A field's name ends at the colon; one space after it is not part of the value.
    const [, name, value] = /^([^:]*):? ?([^]*)$/.exec(line)!;
    if (name === 'data') data.push(value!);
    return null;
  };
  for await (const chunk of chunks) {
    rest += decoder.decode(chunk, { stream: true });
    // A carriage return at the very end may be half of a line's end.
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop()!;
    if (rest.length > EVENT_CHARS_MAX) throw failed('the stream has a line without an end');
    for (const line of lines) {
      const event = take(line);
      if (event !== null) yield event;
    }
  }
  for (const line of [...(rest + decoder.decode()).split(/\r\n|\n|\r/), '']) {
    const event = take(line);
    if (event !== null) yield event;
  }
}
