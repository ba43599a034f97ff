/**
 * Which engines the agent starts itself, and how; read from the environment by env.ts. Pure.
 * A command is a line of shell, run in a process group of its own; it must stay in the foreground.
 */
import { z } from 'zod';
import { START_MS, START_MS_MAX } from './limits.ts';

export interface ProcessSettings {
  readonly command: string;
  /** How long a start may take, ms. */
  readonly startMs: number;
  /** What frees its graphics memory for another engine: its end, or its own unloading. */
  readonly onSwitch: 'stop' | 'unload';
}

const Command = z.string().trim().min(1).optional();
const StartMs = z.coerce
  .number({ error: 'milliseconds' })
  .int()
  .min(1)
  .max(START_MS_MAX)
  .default(START_MS);
const OnSwitch = z.enum(['stop', 'unload'], { error: 'stop or unload' }).default('stop');

/** The variables of all engines that can be started, by their names. */
export const ProcessEnv = z.object({
  TESSERA_COMFYUI_COMMAND: Command,
  TESSERA_COMFYUI_START_MS: StartMs,
  TESSERA_COMFYUI_ON_SWITCH: OnSwitch,
  TESSERA_KOBOLDCPP_COMMAND: Command,
  TESSERA_KOBOLDCPP_START_MS: StartMs,
  TESSERA_KOBOLDCPP_ON_SWITCH: OnSwitch,
  TESSERA_TEXT_COMMAND: Command,
  TESSERA_TEXT_START_MS: StartMs,
  TESSERA_TEXT_ON_SWITCH: OnSwitch,
  TESSERA_SPEECH_COMMAND: Command,
  TESSERA_SPEECH_START_MS: StartMs,
  TESSERA_SPEECH_ON_SWITCH: OnSwitch,
  TESSERA_WHISPER_COMMAND: Command,
  TESSERA_WHISPER_START_MS: StartMs,
  TESSERA_WHISPER_ON_SWITCH: OnSwitch,
});

/** Engines that a command can start: those that are servers. */
export const PROCESS_NAMES = ['comfyui', 'koboldcpp', 'text', 'speech', 'whisper'] as const;
export type ProcessName = (typeof PROCESS_NAMES)[number];
export type Processes = Readonly<Partial<Record<ProcessName, ProcessSettings>>>;

/** Those that have a command. */
export function processesOf(env: z.infer<typeof ProcessEnv>): Processes {
  const processes: Partial<Record<ProcessName, ProcessSettings>> = {};
  for (const name of PROCESS_NAMES) {
    const prefix = `TESSERA_${name.toUpperCase()}` as 'TESSERA_TEXT';
    const command = env[`${prefix}_COMMAND`];
    if (command === undefined) continue;
    const [startMs, onSwitch] = [env[`${prefix}_START_MS`], env[`${prefix}_ON_SWITCH`]];
    processes[name] = { command, startMs, onSwitch };
  }
  return processes;
}
