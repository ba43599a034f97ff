/**
 * One launcher per data folder, and no leftovers of a killed one.
 *
 * The lock file names its holder by process id and start time, so a reused id does not count.
 * It also lists the process groups of the holder's parts: what survived a SIGKILL of everything
 * above it (workerd, an engine) is killed before the next start.
 */
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { readJson, writeJson } from './disk.ts';
import { Refusal } from './progress.ts';

type Held = { pid: number; startedAt: string; groups: { pid: number; startedAt: string }[] };

export type Lock = {
  /** Remembers the process groups of the running parts. */
  note: (pids: readonly number[]) => void;
  release: () => void;
};

/** Takes the lock of a data folder, or refuses while another launcher holds it. */
export function takeLock(data: string): Lock {
  const file = join(data, 'launcher.lock');
  const held = readJson(file) as Held | undefined;
  const alive =
    held !== undefined && held.startedAt !== '' && tellStart(held.pid) === held.startedAt;
  if (alive && held.pid !== process.pid) {
    throw new Refusal(
      `Another launcher (process ${held.pid}) runs on ${data}. ` +
        'Stop it with Ctrl-C there, or choose another folder with --data DIR.',
    );
  }
  for (const group of held?.groups ?? []) killGroup(group.pid, group.startedAt);
  const startedAt = tellStart(process.pid);
  writeJson(file, { pid: process.pid, startedAt, groups: [] } satisfies Held);
  return {
    note: (pids) => {
      const groups = pids.map((pid) => ({ pid, startedAt: tellStart(pid) }));
      writeJson(file, { pid: process.pid, startedAt, groups } satisfies Held);
    },
    release: () => rmSync(file, { force: true }),
  };
}

/** When a process began, as ps tells it; empty when there is none. */
function tellStart(pid: number): string {
  const found = spawnSync('ps', ['-o', 'lstart=', '-p', String(pid)], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  });
  return found.status === 0 ? found.stdout.trim() : '';
}

/** Kills what is left of a part's group, unless its id now names someone else's process. */
function killGroup(pid: number, startedAt: string): void {
  const leader = tellStart(pid);
  if (leader !== '' && leader !== startedAt) return;
  const members = spawnSync('ps', ['-eo', 'pid=,pgid=,args='], { encoding: 'utf8' }).stdout ?? '';
  const ours = members
    .split('\n')
    .map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line))
    .filter((found) => found !== null && Number(found[2]) === pid)
    .filter((found) => /node|workerd/.test(found?.[3] ?? ''));
  for (const found of ours) {
    try {
      process.kill(Number(found?.[1]), 'SIGKILL');
    } catch {
      // it ended meanwhile
    }
  }
}
