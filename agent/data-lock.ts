/**
 * One agent per data folder: two would delete each other's scratch files and deliver each
 * other's results. The lock is a file with the holder's process id and start time, so that it
 * falls with its process, however that ended, and is not mistaken after a restart of the box.
 */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Times a stale lock is taken away before giving up: another agent may be doing the same. */
const TRIES_MAX = 3;

/** When a process started, in ticks since boot (proc(5), field 22); empty where that is unknown. */
async function startOf(pid: number): Promise<string> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    // The name, in brackets, may have spaces.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    // No such process, or no /proc on this system.
    return '';
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

const LOCK = 'agent.lock';

/** The process that holds the lock of a data folder, or null when there is none or it is stale. */
export function holderOf(data: string): Promise<number | null> {
  return holderOfFile(join(data, LOCK));
}

async function holderOfFile(file: string): Promise<number | null> {
  const [id = '', start = ''] = (await readFile(file, 'utf8').catch(() => '')).split(' ');
  const pid = Number(id);
  if (!Number.isInteger(pid) || pid <= 0 || !isAlive(pid)) return null;
  return start === '' || (await startOf(pid)) === start ? pid : null;
}

/** Takes the folder for this process, or answers the process id of the agent that has it. */
export async function lockData(
  data: string,
): Promise<{ ok: true; release: () => Promise<void> } | { ok: false; holder: number }> {
  await mkdir(data, { recursive: true, mode: 0o700 });
  const file = join(data, LOCK);
  for (let tries = 1; ; tries++) {
    try {
      await writeFile(file, `${process.pid} ${await startOf(process.pid)}`, { flag: 'wx' });
      return { ok: true, release: () => rm(file, { force: true }) };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const holder = await holderOfFile(file);
    if (holder !== null || tries === TRIES_MAX) return { ok: false, holder: holder ?? 0 };
    await rm(file, { force: true });
  }
}
