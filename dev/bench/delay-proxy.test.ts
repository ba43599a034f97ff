import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { startDelayProxy, type DelayProxy } from './delay-proxy.ts';

const ends: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

/** A server that answers what it got when its caller has ended; and a proxy before it. */
async function open(distance: Parameters<typeof startDelayProxy>[1]): Promise<DelayProxy> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {}); // a proxy that closes cuts it
    const got: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => got.push(chunk));
    socket.once('end', () => socket.end(Buffer.concat(got)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ends.push(() => void server.close());
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const proxy = await startDelayProxy(address.port, distance);
  ends.push(() => proxy.close());
  return proxy;
}

function dial(proxy: DelayProxy): Socket {
  const socket = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true });
  ends.push(() => void socket.destroy());
  return socket;
}

describe('startDelayProxy', () => {
  it('passes every byte on in order, more than a window of them', async () => {
    const proxy = await open({ roundTripMs: 4, uplinkBytesPerS: Infinity });
    const sent = Buffer.alloc(5_000_000, 'abcdefg');
    const socket = dial(proxy);
    socket.end(sent);
    const got: Buffer[] = [];
    for await (const chunk of socket) got.push(chunk as Buffer);
    expect(Buffer.concat(got).equals(sent)).toBe(true);
  });

  it('keeps bytes for at least a round trip, and one more for the connection', async () => {
    const roundTripMs = 40;
    const proxy = await open({ roundTripMs, uplinkBytesPerS: Infinity });
    const startedAt = performance.now();
    const socket = dial(proxy);
    socket.end('hello');
    await once(socket, 'data');
    // Timers of node may fire up to a millisecond early.
    expect(performance.now() - startedAt).toBeGreaterThan(2 * roundTripMs - 3);
  });

  it('lets through upwards no faster than the uplink', async () => {
    const bytes = 100_000;
    const uplinkBytesPerS = 1_000_000;
    const proxy = await open({ roundTripMs: 0, uplinkBytesPerS });
    const startedAt = performance.now();
    const socket = dial(proxy);
    socket.end(Buffer.alloc(bytes));
    await once(socket, 'data');
    expect(performance.now() - startedAt).toBeGreaterThan((bytes / uplinkBytesPerS) * 1000 - 3);
  });

  it('closes with calls open', async () => {
    const proxy = await open({ roundTripMs: 4, uplinkBytesPerS: Infinity });
    const socket = dial(proxy);
    socket.on('error', () => {});
    await once(socket, 'connect');
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.write('hello');
    await proxy.close();
    await closed;
    expect(socket.destroyed).toBe(true);
  });
});
