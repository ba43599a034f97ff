/**
 * One agent per data folder: two would delete each other's scratch files and deliver each
 * other's results. The lock is a file with the holder's process id and start time, so that it
 * falls with its process, however that ended, and is not mistaken after a restart of the box.
 */
import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Times a stale lock is taken away before giving up: another agent may be doing the same. */
const TRIES_MAX = 20;

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
  return holderIn(await readFile(file, 'utf8').catch(() => ''));
}

async function holderIn(text: string): Promise<number | null> {
  const [id = '', start = ''] = text.split(' ');
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
    if (await place(file)) return { ok: true, release: () => rm(file, { force: true }) };
    const holder = await holderOfFile(file);
    if (holder !== null || tries === TRIES_MAX) return { ok: false, holder: holder ?? 0 };
    await removeStale(file);
  }
}

/** Makes a lock of this process, whole at once; false when there is one. */
async function place(file: string): Promise<boolean> {
  const draft = `${file}.${randomUUID()}`;
  try {
    const text = `${process.pid} ${await startOf(process.pid)}`;
    await writeFile(draft, text, { flag: 'wx' });
    await link(draft, file).catch(async (error: NodeJS.ErrnoException) => {
      // A disk that has no links: not whole at once, but by one alone.
      if (error.code === 'EEXIST') throw error;
      await writeFile(file, text, { flag: 'wx' });
    });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  } finally {
    await rm(draft, { force: true });
  }
}

/** Takes a stale lock away: one process at a time, or it might be the next one's lock by then. */
async function removeStale(file: string): Promise<void> {
  const guard = `${file}.stale`;
  if (await place(guard)) {
    if ((await holderOfFile(file)) === null) await rm(file, { force: true });
    await rm(guard, { force: true });
    return;
  }
  const text = await readFile(guard, 'utf8').catch(() => '');
  // Its process was killed in just that moment.
  if (text !== '' && (await holderIn(text)) === null) await rm(guard, { force: true });
}
