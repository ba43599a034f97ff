/**
 * TCP ports on the loopback interface: find a free one, remember it, tell whether one is taken.
 * A remembered port keeps a restarted part at the address its neighbours know.
 */
import { createServer } from 'node:net';

/** Tells whether 127.0.0.1:port can be bound now. */
export async function isPortFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}

/** A port that the system says is free at this moment. */
export async function findFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}

/** `wanted` when it is given and free, else any free port. */
export async function choosePort(wanted: number | undefined): Promise<number> {
  return wanted !== undefined && (await isPortFree(wanted)) ? wanted : findFreePort();
}
