/** The box's GPU as the NVIDIA driver tells it; null where there is none. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { DISCOVER_MS_MAX } from './limits.ts';

export interface Gpu {
  readonly name: string;
  readonly vramMib: number;
  readonly vramFreeMib: number;
}

const QUERY = ['--query-gpu=name,memory.total,memory.free', '--format=csv,noheader,nounits'];

/** Asks `nvidia-smi` for the first GPU. */
export async function askGpu(signal: AbortSignal): Promise<Gpu | null> {
  try {
    const options = { signal, timeout: DISCOVER_MS_MAX, windowsHide: true };
    const { stdout } = await promisify(execFile)('nvidia-smi', QUERY, options);
    return parseGpu(stdout);
  } catch {
    // No driver, or one that hangs: the box counts as one without a GPU.
    return null;
  }
}

/** Reads the first line of `name, total MiB, free MiB`. */
export function parseGpu(csv: string): Gpu | null {
  const match = /^(.{1,200}), (\d+), (\d+)$/m.exec(csv.trim());
  return match
    ? { name: match[1]!, vramMib: Number(match[2]), vramFreeMib: Number(match[3]) }
    : null;
}
