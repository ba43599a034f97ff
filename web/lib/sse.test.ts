import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FEED_BYTES_MAX } from '#schema/limits.ts';
import { createSseParser } from './sse.ts';

function parse(...chunks: string[]) {
  const parser = createSseParser();
  return chunks.flatMap((chunk) => parser.push(chunk));
}

describe('createSseParser', () => {
  it.each([
    ['a plain message', 'data: hi\n\n', [{ event: 'message', data: 'hi', id: null }]],
    ['a named event', 'event: state\ndata: {}\n\n', [{ event: 'state', data: '{}', id: null }]],
    ['CRLF line ends', 'data: a\r\n\r\n', [{ event: 'message', data: 'a', id: null }]],
    ['CR line ends', 'data: a\r\rx', [{ event: 'message', data: 'a', id: null }]],
    ['data of two lines', 'data: a\ndata: b\n\n', [{ event: 'message', data: 'a\nb', id: null }]],
    ['one leading space only', 'data:  a\n\n', [{ event: 'message', data: ' a', id: null }]],
    ['a field without colon', 'data\n\n', [{ event: 'message', data: '', id: null }]],
    ['a byte order mark', '\uFEFFdata: a\n\n', [{ event: 'message', data: 'a', id: null }]],
  ])('reads %s', (_, text, messages) => {
    expect(parse(text)).toEqual(messages);
  });

  it.each([
    ['comments', ': keep open\n\n'],
    ['an event without data', 'event: state\n\n'],
    ['unknown fields', 'retry: 5\nfoo: bar\n\n'],
    ['an event that has not ended', 'data: half\n'],
  ])('gives nothing for %s', (_, text) => {
    expect(parse(text)).toEqual([]);
  });

  it('keeps an id for the events after it, and over connections', () => {
    const parser = createSseParser('6');
    expect(parser.push('data: a\n\n')[0]?.id).toBe('6');
    expect(parser.push('id: 7\ndata: b\n\ndata: c\n\n').map((message) => message.id)).toEqual([
      '7',
      '7',
    ]);
    expect(parser.push('id: 8\0\ndata: d\n\n')[0]?.id).toBe('7');
  });

  it('gives the same events wherever the stream is cut', () => {
    const text =
      ': open\r\n\r\nid: 1\r\nevent: state\r\ndata: {"a":\r\ndata: 1}\r\n\r\ndata: x\n\ndata: y\r\r\n';
    const whole = parse(text);
    fc.assert(
      fc.property(fc.array(fc.nat(text.length)), (cuts) => {
        const places = [0, ...cuts.toSorted((a, b) => a - b), text.length];
        const chunks = places.slice(1).map((place, index) => text.slice(places[index], place));
        expect(parse(...chunks)).toEqual(whole);
      }),
    );
    expect(whole).toHaveLength(3);
  });

  it('refuses an event that never ends', () => {
    const parser = createSseParser();
    expect(() => parser.push('x'.repeat(FEED_BYTES_MAX + 1))).toThrow('feed limit');
  });
});
