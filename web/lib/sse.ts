/**
 * Server-sent events, parsed as the standard says (html.spec.whatwg.org, 9.2.6): line ends of
 * three kinds, cut anywhere; comments; ids that outlive their event. Knows nothing of jobs.
 * A partial event at the stream's end is dropped, since it will be sent again.
 */
import { FEED_BYTES_MAX } from '#schema/limits.ts';

/** One dispatched event; `id` is the last id seen, of this event or an earlier one. */
export interface SseMessage {
  readonly event: string;
  readonly data: string;
  readonly id: string | null;
}

export interface SseParser {
  /** Takes the next piece of text, gives the events that it completes. */
  push(chunk: string): SseMessage[];
}

/** A parser for one connection; `lastEventId` carries over from the one before. */
export function createSseParser(lastEventId: string | null = null): SseParser {
  let pending = '';
  let isStart = true;
  let event = '';
  let data: string[] = [];
  let dataChars = 0;
  let id = lastEventId;

  function takeLine(line: string, out: SseMessage[]): void {
    if (line === '') {
      if (data.length > 0) out.push({ event: event || 'message', data: data.join('\n'), id });
      event = '';
      data = [];
      dataChars = 0;
      return;
    }
    const colon = line.indexOf(':');
    if (colon === 0) return;
    const field = colon < 0 ? line : line.slice(0, colon);
    const raw = colon < 0 ? '' : line.slice(colon + 1);
    const value = raw.startsWith(' ') ? raw.slice(1) : raw;
    if (field === 'event') event = value;
    if (field === 'id' && !value.includes('\0')) id = value;
    if (field === 'data') {
      dataChars += value.length;
      data.push(value);
    }
  }

  return {
    push(chunk) {
      pending += isStart ? chunk.replace(/^\uFEFF/, '') : chunk;
      if (chunk !== '') isStart = false;
      const out: SseMessage[] = [];
      let from = 0;
      for (const match of pending.matchAll(/\r\n|\n|\r/g)) {
        // A lone CR at the very end may be half of a CRLF: it waits for the next piece.
        if (match[0] === '\r' && match.index === pending.length - 1) break;
        takeLine(pending.slice(from, match.index), out);
        from = match.index + match[0].length;
      }
      pending = pending.slice(from);
      if (pending.length + dataChars > FEED_BYTES_MAX) throw new Error('event over the feed limit');
      return out;
    },
  };
}
