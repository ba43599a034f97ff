/**
 * What the system knows of a process: since when it runs, its group and its command line.
 *
 * Linux tells in /proc, also where there is no `ps` (slim images); elsewhere `ps` is asked. When
 * neither answers, the process is `unknown`, and callers must do no harm: its id may be anyone's.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';

export type Process = {
  pid: number;
  group: number;
  /** Together with the id this names one process for ever: ids are reused. */
  startedAt: string;
  args: string;
};

const HAS_PROC = existsSync('/proc/self/stat');
/** The fields of /proc/PID/stat after the name in parentheses, and where ours are in them. */
const STAT = { state: 0, group: 2, startedAt: 19 } as const;
const PS_LINE = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(\w{3} \w{3}\s+\d+ [\d:]+ \d{4})\s(.*)$/;

/** One process; a zombie counts as gone, since nothing runs any more. */
export function findProcess(pid: number): Process | 'gone' | 'unknown' {
  if (!mayExist(pid)) return 'gone';
  if (HAS_PROC) return readProc(pid) ?? (mayExist(pid) ? 'unknown' : 'gone');
  const listed = askPs(['-p', String(pid)]);
  if (listed === undefined) return 'unknown';
  return listed[0] ?? 'gone';
}

/** The running processes of a group; none when the system does not tell. */
export function listGroup(group: number): Process[] {
  const all = HAS_PROC ? listProc() : (askPs(['-A']) ?? []);
  return all.filter((found) => found.group === group);
}

function mayExist(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function listProc(): Process[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => readProc(Number(name)))
    .filter((found) => found !== undefined && found !== 'gone');
}

/** Undefined when /proc does not show this process: it ended, or belongs to someone else. */
function readProc(pid: number): Process | 'gone' | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[STAT.state] === 'Z' || fields[STAT.state] === 'X') return 'gone';
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const args = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
    const startedAt = `${boot} ${fields[STAT.startedAt]}`;
    return { pid, group: Number(fields[STAT.group]), startedAt, args };
  } catch {
    return undefined;
  }
}

/** Undefined when there is no `ps`, or it does not know these options. */
function askPs(which: readonly string[]): Process[] | undefined {
  const columns = ['pid', 'pgid', 'stat', 'lstart', 'args'].flatMap((name) => ['-o', `${name}=`]);
  const asked = spawnSync('ps', [...which, ...columns], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  });
  if (asked.error !== undefined || asked.stderr !== '') return undefined;
  return asked.stdout.split('\n').flatMap((line) => {
    const [, pid, group, stat, startedAt = '', args = ''] = PS_LINE.exec(line) ?? [];
    if (pid === undefined || stat?.startsWith('Z') === true) return [];
    return [{ pid: Number(pid), group: Number(group), startedAt, args }];
  });
}
