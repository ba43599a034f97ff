/**
 * Starts a command in a process group of its own, under a keeper that outlives neither the agent
 * nor the command: a small shell script which is the head of the group. When the agent is gone,
 * even by SIGKILL, its end of the leash closes, and the keeper kills the whole group; when the
 * command ends, it kills what the command left behind. What leaves the group by itself (a daemon,
 * a container) escapes it: a supervisor's control group has to catch that.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import { GROUP_LOOK_MS } from './limits.ts';
import type { Signal } from './limits.ts';

/**
 * fd 3 is the leash, fd 4 tells the exit code. The keeper itself heeds no wish to end, so that it
 * sees its command's end; `wait` returns at a signal too, hence the loop.
 */
const KEEPER = `
trap : TERM INT HUP
(trap '' TERM INT HUP; read -r _ <&3; kill -KILL 0) &
sh -c "$1" </dev/null 3<&- 4>&- &
engine=$!
while :; do
  wait "$engine"; code=$?
  kill -0 "$engine" 2>/dev/null || break
done
echo "$code" >&4
kill -KILL 0
`;

export interface Kept {
  /** Of the group; undefined when it could not be started. */
  readonly pid: number | undefined;
  /** Signals every process of the group. */
  readonly signal: (signal: Signal) => void;
  /** How the command ended, in words; settles when the whole group is gone. */
  readonly over: Promise<string>;
}

export interface KeepOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly onWords: (bytes: Buffer) => void;
}

/** Starts a line of shell. */
export function keep(command: string, { env, onWords }: KeepOptions): Kept {
  const child = spawn('/bin/sh', ['-c', KEEPER, 'tessera-engine', command], {
    detached: true,
    env,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe', 'pipe'],
  });
  let code = '';
  let fault = '';
  child.on('error', (error) => {
    fault = String(error);
  });
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', onWords);
  const [leash, report] = [child.stdio[3], child.stdio[4] as Readable | undefined];
  // Closed by the keeper's end: nothing is ever written to it.
  leash?.on('error', () => {});
  report?.on('data', (bytes: Buffer) => {
    code += bytes.toString();
  });
  const over = new Promise<string>((resolve) => {
    child.once('exit', () => closeWhenGone(child));
    child.once('close', () => resolve(fault || describeEnd(code.trim(), child)));
    child.once('error', () => {
      if (child.pid === undefined) resolve(fault);
    });
  });
  return {
    pid: child.pid,
    over,
    signal: (signal) => signalGroup(child, signal),
  };
}

function signalGroup({ pid, exitCode, signalCode }: ChildProcess, signal: Signal): void {
  if (pid === undefined || exitCode !== null || signalCode !== null) return;
  try {
    process.kill(-pid, signal);
  } catch (error) {
    // Gone in this moment: `over` tells.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/**
 * What left the group may hold the pipes of its words open for ever: once the group itself is
 * gone, they are closed here.
 */
function closeWhenGone(child: ChildProcess): void {
  let looks = 0;
  const look = setInterval(() => {
    if (child.pid !== undefined && hasMembers(child.pid)) return;
    // Last words that are in the pipe are read between two looks.
    looks += 1;
    if (looks < 2) return;
    clearInterval(look);
    for (const stream of child.stdio) stream?.destroy();
  }, GROUP_LOOK_MS).unref();
  child.once('close', () => clearInterval(look));
}

function hasMembers(group: number): boolean {
  try {
    process.kill(-group, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}

/** A shell tells a signal as 128 and its number. */
function describeEnd(code: string, { signalCode }: ChildProcess): string {
  if (code === '') return `killed with its group (${signalCode ?? 'unknown'})`;
  const number = Number(code);
  return number > 128 ? `killed by signal ${number - 128}` : `exit code ${number}`;
}
