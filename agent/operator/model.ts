/** `tessera-agent fetch`: downloads the embedded language model now, with a bar to watch. */
import { resolve } from 'node:path';
import { holderOf } from '../data-lock.ts';
import { barOf, download, isThere, NoRoom, WrongFile } from '../engines/llama/download.ts';
import type { AgentEnv } from '../env.ts';

export interface FetchParts {
  readonly print: (line: string) => void;
  /** Overwrites its own last line; null where nobody watches. */
  readonly draw: ((line: string) => void) | null;
  readonly signal: AbortSignal;
}

/** Answers the exit code. */
export async function fetchModel(
  { servers: { llama }, data }: Pick<AgentEnv, 'servers' | 'data'>,
  { print, draw, signal }: FetchParts,
): Promise<number> {
  if (!llama?.source) {
    print('nothing to fetch: set TESSERA_LLAMA_MODEL to an address, and TESSERA_LLAMA_SHA256');
    return 2;
  }
  const { path, source } = llama;
  if (await isThere(path)) {
    print(`${path} is there already`);
    return 0;
  }
  const holder = await holderOf(resolve(data));
  if (holder !== null) {
    print(`the agent that runs (process ${holder}) downloads it by itself: see its log`);
    return 1;
  }
  try {
    const onProgress = (bytes: number, total: number | null) => draw?.(barOf(bytes, total));
    await download({ ...source, path, onProgress, signal });
  } catch (error) {
    const isFinal = error instanceof NoRoom || error instanceof WrongFile;
    const help = isFinal ? '' : '; check the network and the address, then call again: it goes on';
    print(`not fetched: ${(error as Error).message}${help}`);
    return 1;
  }
  print(`fetched ${path}`);
  return 0;
}
