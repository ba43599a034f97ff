/** `tessera-agent fetch`: downloads the embedded language model now, with a bar to watch. */
import type { AgentEnv } from '../env.ts';
import { barOf, download, isThere } from '../engines/llama/download.ts';

export interface FetchParts {
  readonly print: (line: string) => void;
  /** Overwrites its own last line; null where nobody watches. */
  readonly draw: ((line: string) => void) | null;
  readonly signal: AbortSignal;
}

/** Answers the exit code. */
export async function fetchModel(
  { servers: { llama } }: Pick<AgentEnv, 'servers'>,
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
  try {
    const onProgress = (bytes: number, total: number | null) => draw?.(barOf(bytes, total));
    await download({ ...source, path, onProgress, signal });
  } catch (error) {
    print(`not fetched: ${String(error)}; call again to go on`);
    return 1;
  }
  print(`fetched ${path}`);
  return 0;
}
