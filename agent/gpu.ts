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

/** WSL keeps it apart, on the PATH of a shell but not on that of a service. */
const PLACES = ['nvidia-smi', '/usr/lib/wsl/lib/nvidia-smi'] as const;

/** Asks `nvidia-smi` for the first GPU. */
export async function askGpu(
  signal: AbortSignal,
  places: readonly string[] = PLACES,
): Promise<Gpu | null> {
  const options = { signal, timeout: DISCOVER_MS_MAX, windowsHide: true };
  for (const place of places) {
    try {
      const { stdout } = await promisify(execFile)(place, QUERY, options);
      return parseGpu(stdout);
    } catch (error) {
      // No driver, or one that hangs: the box counts as one without a GPU.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return null;
    }
  }
  return null;
}

/** Reads the first line of `name, total MiB, free MiB`. */
export function parseGpu(csv: string): Gpu | null {
  const match = /^(.{1,200}), (\d+), (\d+)$/m.exec(csv.trim());
  return match
    ? { name: match[1]!, vramMib: Number(match[2]), vramFreeMib: Number(match[3]) }
    : null;
}
