import { describe, expect, it } from 'vitest';
import { EventPipe } from './event-pipe.ts';

const encoder = new TextEncoder();

/** A feed whose bytes the test sends, in any pieces. */
function open(more: { commentMs?: number; feedFirst?: boolean } = {}) {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const source = writable.getWriter();
  let isPlaceFree = false;
  const place = {
    [Symbol.dispose]: () => {
      isPlaceFree = true;
    },
  };
  const pace = { commentMs: 60_000, feedFirst: false, ...more };
  const pipe = new EventPipe({ events: readable, place }, pace);
  const reader = pipe.readable.getReader();
  const send = (text: string) => source.write(encoder.encode(text));
  const read = async () => new TextDecoder().decode((await reader.read()).value);
  return { pipe, source, reader, send, read, isFree: () => isPlaceFree };
}

describe('a pipe', () => {
  it('puts an event between two others, never into one that came in pieces', async () => {
    const { pipe, send, read } = open();
    const pieces = ['event: a\nda', 'ta: 1\n', '\nevent: b\n', 'data: 2\n\n'];
    void send(pieces[0]!);
    let text = await read();
    pipe.insert(async () => 'event: x\ndata: 0\n\n');
    for (const piece of pieces.slice(1)) {
      void send(piece);
      text += await read();
    }
    text += await read();
    expect(text).toBe(`${pieces.join('')}event: x\ndata: 0\n\n`);
  });

  it('sends the newest of several events that wait for their turn', async () => {
    const { pipe, send, read } = open({ feedFirst: true });
    pipe.insert(async () => 'data: old\n\n');
    pipe.insert(async () => 'data: new\n\n');
    void send('data: first\n\n');
    expect((await read()) + (await read())).toBe('data: first\n\ndata: new\n\n');
  });

  it('comments on a quiet stream, again and again', async () => {
    const { read } = open({ commentMs: 2 });
    expect((await read()) + (await read())).toBe(':\n\n:\n\n');
  });

  it('ends with its source, after what was inserted, and frees the place', async () => {
    const { pipe, source, reader, isFree } = open();
    void source.close();
    expect((await reader.read()).done).toBe(true);
    await pipe.done;
    expect(isFree()).toBe(true);
  });

  it('ends when told, after what was inserted', async () => {
    const { pipe, reader, read, isFree } = open();
    pipe.insert(async () => 'data: last\n\n');
    pipe.end();
    expect(await read()).toBe('data: last\n\n');
    expect((await reader.read()).done).toBe(true);
    await pipe.done;
    expect(isFree()).toBe(true);
  });

  it('frees the place when the client is gone at the next comment, or its feed breaks', async () => {
    const left = open({ commentMs: 2 });
    await left.reader.cancel();
    await left.pipe.done;
    expect(left.isFree()).toBe(true);
    const broken = open();
    broken.source.abort(new Error('restarted')).catch(() => {});
    await expect(broken.reader.read()).rejects.toThrow();
    await broken.pipe.done;
    expect(broken.isFree()).toBe(true);
  });
});
