/**
 * Sound brought into another form by this machine's ffmpeg, where it has one. ffmpeg reads the
 * file that it is given and nothing else, and sees nothing of the agent's environment.
 */
import { execFile } from 'node:child_process';

/** Two hours of video on a slow disk. */
const CONVERT_MS = 10 * 60_000;

/** Where a command of the PATH lies; null when it is not there. */
export function findCommand(command: string, signal: AbortSignal): Promise<string | null> {
  return new Promise((resolve) => {
    execFile('/bin/sh', ['-c', 'command -v -- "$0"', command], { signal }, (error, path) =>
      resolve(error ? null : path.trim()),
    );
  });
}

export interface Conversion {
  readonly source: string;
  readonly path: string;
  /** What is made of it: ffmpeg's options for its output. */
  readonly options: readonly string[];
  readonly signal: AbortSignal;
}

/** Makes the file; why it could not, in ffmpeg's words, else null. Rejects when it is aborted. */
export function convertSound(
  ffmpeg: string,
  { source, path, options, signal }: Conversion,
): Promise<string | null> {
  const input = ['-nostdin', '-v', 'error', '-protocol_whitelist', 'file', '-i', `file:${source}`];
  const args = [...input, '-map', '0:a:0', '-vn', ...options, '-y', path];
  // The agent's own environment holds a token.
  const env = { LC_ALL: 'C' };
  const bounds = { signal, timeout: CONVERT_MS, killSignal: 'SIGKILL', env } as const;
  return new Promise((resolve, reject) => {
    execFile(ffmpeg, args, bounds, (error, _, words) => {
      if (signal.aborted) reject(signal.reason as Error);
      else resolve(error ? `ffmpeg: ${words || error.message}` : null);
    });
  });
}
