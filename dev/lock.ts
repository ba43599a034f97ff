/**
 * One launcher per data folder, and no leftovers of a killed one.
 *
 * The lock file names its holder by process id and start time, so a reused id does not count.
 * It also lists the process groups of the holder's parts: what survived a SIGKILL of everything
 * above it (workerd, an engine) is killed before the next start.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { readJson, writeJson } from './disk.ts';
import { findProcess, listGroup } from './process-table.ts';
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
  if (held !== undefined && isAlive(held, file)) {
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

/** What names this process for ever; empty when the system does not tell. */
function tellStart(pid: number): string {
  const found = findProcess(pid);
  return typeof found === 'string' ? '' : found.startedAt;
}

/** Whether the holder of a lock still runs; refuses when that cannot be known. */
function isAlive(held: Held, file: string): boolean {
  if (held.pid === process.pid) return false;
  const found = findProcess(held.pid);
  if (found === 'gone') return false;
  if (found === 'unknown' || held.startedAt === '') {
    throw new Refusal(
      `Process ${held.pid} may be a launcher that runs on these data; the system does not tell. ` +
        `When it is none, delete ${file}.`,
    );
  }
  return found.startedAt === held.startedAt;
}

/** Kills what is left of a part's group, unless its id now names someone else's process. */
function killGroup(pid: number, startedAt: string): void {
  const leader = findProcess(pid);
  if (leader === 'unknown') return;
  if (leader !== 'gone' && leader.startedAt !== startedAt) return;
  for (const member of listGroup(pid)) {
    if (!/node|workerd/.test(member.args)) continue;
    try {
      process.kill(member.pid, 'SIGKILL');
    } catch {
      // it ended meanwhile
    }
  }
}
