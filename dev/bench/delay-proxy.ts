/**
 * A TCP proxy that puts a distance between two ends of one machine: every byte arrives half a
 * round trip later, a new connection costs one round trip more, and what goes up is as slow as a
 * home's uplink. Order is kept, nothing is lost, and the end of one side reaches the other.
 */
import { connect, createServer, type Socket } from 'node:net';

export interface Distance {
  readonly roundTripMs: number;
  /** Bytes per second from the connecting side. */
  readonly uplinkBytesPerS: number;
}

export interface DelayProxy {
  readonly port: number;
  close(): Promise<void>;
}

/** Unsent bytes at which a sender is paused, as a full window pauses it. */
const WINDOW_BYTES = 1024 * 1024;

/** Starts a proxy on any free port of 127.0.0.1 to another one. */
export async function startDelayProxy(target: number, distance: Distance): Promise<DelayProxy> {
  const open = new Set<Socket>();
  const { roundTripMs, uplinkBytesPerS } = distance;
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true });
    for (const socket of [near, far]) {
      open.add(socket);
      socket.setNoDelay(true);
      socket.once('close', () => open.delete(socket));
      socket.on('error', () => socket.destroy());
    }
    const delayMs = roundTripMs / 2;
    pipeLate(near, far, { delayMs, bytesPerS: uplinkBytesPerS, opensMs: roundTripMs });
    pipeLate(far, near, { delayMs, bytesPerS: Infinity, opensMs: 0 });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy has a port');
  return {
    port: address.port,
    close: () =>
      new Promise((resolve) => {
        for (const socket of open) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

interface Line {
  readonly delayMs: number;
  readonly bytesPerS: number;
  readonly opensMs: number;
}

/** Passes chunks on in order; each arrives when the line is free of those before, and its delay. */
function pipeLate(from: Socket, to: Socket, { delayMs, bytesPerS, opensMs }: Line): void {
  const due: { at: number; act: () => void }[] = [];
  let freeAt = performance.now() + opensMs;
  let unsent = 0;
  // One timer for the first alone: several would not keep their order, being rounded each.
  const arm = () => {
    const [first] = due;
    if (first !== undefined) setTimeout(deliver, Math.ceil(first.at - performance.now()));
  };
  const deliver = () => {
    while (due[0] !== undefined && due[0].at <= performance.now()) due.shift()!.act();
    arm();
  };
  const late = (bytes: number, act: () => void) => {
    freeAt = Math.max(freeAt, performance.now()) + (bytes * 1000) / bytesPerS;
    due.push({ at: freeAt + delayMs, act });
    if (due.length === 1) arm();
  };
  from.on('data', (chunk: Buffer) => {
    unsent += chunk.length;
    if (unsent > WINDOW_BYTES) from.pause();
    late(chunk.length, () => {
      to.write(chunk);
      unsent -= chunk.length;
      if (unsent <= WINDOW_BYTES) from.resume();
    });
  });
  from.once('end', () => late(0, () => to.end()));
  from.once('close', () => late(0, () => to.destroy()));
}
