/** For real processes: what is left of a group, by /proc, a free port, a clock that runs fast. */
import { readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { Clock } from '../clock.ts';

const SPEED = 20;
const LOOK_MS = 10;

/** Real time, so many times as fast: rests and grace times pass in a moment. */
export function fastClock(speed = SPEED): Clock {
  return {
    now: () => performance.now() * speed,
    wall: () => Date.now(),
    after(ms, act) {
      const timer = setTimeout(act, ms / speed);
      return () => clearTimeout(timer);
    },
  };
}

/** Process ids of a group, without those that only wait to be reaped. */
export async function membersOf(group: number): Promise<number[]> {
  const pids = (await readdir('/proc')).map(Number).filter((pid) => Number.isInteger(pid));
  const members = await Promise.all(
    pids.map(async (pid) => {
      const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
      // The name, in brackets, may have spaces; then state, parent, group.
      const [state, , own] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return Number(own) === group && state !== 'Z' ? [pid] : [];
    }),
  );
  return members.flat();
}

/** Resolves when `holds` does; looked at again and again, since processes ring no bell. */
export async function untilSo(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await pause(LOOK_MS);
}

/** A port on which nobody listens now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
