/**
 * Speech to text by PocketSphinx (CMU, BSD-like licence) where its `pocketsphinx_continuous` is on
 * the PATH, as Debian's packages pocketsphinx and pocketsphinx-en-us bring it. English, without
 * punctuation, and far less exact than Whisper; but it needs no GPU and no server. Each job is a
 * process of its own, which ends with it. Recordings are made fit by ffmpeg; without that only
 * WAV files of 16 kHz, mono, 16 bits can be read.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JobSpec, TranscriptionSpec } from '#schema/job.ts';
import { JOB_RUN_MS_MAX } from '#schema/limits.ts';
import { EngineError } from './engine.ts';
import type { Engine, EngineInfo, RunContext, RunResult } from './engine.ts';
import { findCommand } from './ffmpeg.ts';
import { toTranscript } from './pocketsphinx/words.ts';
import { Pace } from './server/pace.ts';
import { afterReal } from './server/watch.ts';
import { deliver } from './whisper/delivery.ts';
import { isPlain, prepare, unreadable } from './whisper/recording.ts';

const MODEL = 'pocketsphinx';
const COMMAND = 'pocketsphinx_continuous';
/** Words of the recogniser that are looked at: two hours of fast speech with times. */
const TOLD_BYTES_MAX = 8 * 1024 * 1024;
const DETAIL_CHARS_MAX = 900;

function refuse(detail: string): EngineError {
  return new EngineError({ code: 'engine_rejected', retryable: false, detail });
}

class Pocketsphinx implements Engine {
  readonly name = MODEL;
  readonly optional = true;
  readonly #pace = new Pace(afterReal);
  readonly #closing = new AbortController();
  #command: string | null = null;
  #ffmpeg: string | null = null;

  /** It is tried once: a recogniser without its model of English cannot run. */
  async discover(signal: AbortSignal): Promise<EngineInfo | null> {
    const command = await findCommand(COMMAND, signal);
    if (command === null) this.#command = null;
    else if (this.#command !== command && (await canRun(command, signal))) this.#command = command;
    this.#ffmpeg = await findCommand('ffmpeg', signal);
    return this.#command === null ? null : { version: COMMAND, models: [MODEL] };
  }

  resident(): readonly string[] {
    return [];
  }

  async run(spec: JobSpec, context: RunContext): Promise<RunResult> {
    context.signal.throwIfAborted();
    const job = check(spec);
    const command = this.#command;
    if (command === null) {
      const detail = `${COMMAND} is not there`;
      throw new EngineError({ code: 'engine_unavailable', retryable: true, detail });
    }
    const { directory } = context;
    const signal = AbortSignal.any([context.signal, this.#closing.signal]);
    const source = await context.openInput(job.file);
    const toldS = job.duration_s;
    const fitting = { ffmpeg: this.#ffmpeg, directory, signal, toldS };
    const recording = await prepare(source, fitting);
    if (!(await isPlain(recording.path))) {
      throw unreadable('without ffmpeg only WAV of 16 kHz, mono, 16 bits can be read');
    }
    const { path, durationS } = recording;
    const told = await this.#pace.measure(durationS, context, () =>
      recognise({ command, path, directory, signal }),
    );
    return deliver(toTranscript(told, durationS), job, { directory, signal });
  }

  free(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.#closing.abort(new Error('the engine is closed'));
    return Promise.resolve();
  }
}

function check(spec: JobSpec): TranscriptionSpec {
  if (spec.type !== 'transcription') throw refuse(`PocketSphinx runs no ${spec.type}`);
  if (spec.translate) throw refuse('PocketSphinx translates nothing');
  if (!/^(en(-[A-Za-z]+)?|auto)$/.test(spec.language)) {
    throw refuse(`PocketSphinx hears no ${spec.language}; it hears en`);
  }
  return spec;
}

interface Hearing {
  readonly command: string;
  readonly path: string;
  /** For its log. */
  readonly directory: string;
  readonly signal: AbortSignal;
}

/** Lets it hear a recording; answers what it wrote. */
async function recognise({ command, path, directory, signal }: Hearing): Promise<string> {
  const log = join(directory, 'pocketsphinx.log');
  const child = spawn(command, ['-infile', path, '-time', 'yes', '-logfn', log], {
    // The agent's own environment holds a token.
    env: { LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: JOB_RUN_MS_MAX,
    killSignal: 'SIGKILL',
    signal,
  });
  // Not at its error: a process that was killed is gone only when it is closed.
  let fault: Error | null = null;
  child.once('error', (error) => {
    fault = error;
  });
  const closed = new Promise<string>((resolve) => {
    child.once('close', (code, by) => resolve(by ?? `code ${code}`));
  });
  let told = '';
  child.stdout.setEncoding('utf8');
  for await (const chunk of child.stdout) {
    told += chunk as string;
    if (told.length > TOLD_BYTES_MAX) child.kill('SIGKILL');
  }
  const end = await closed;
  signal.throwIfAborted();
  if (fault === null && end === 'code 0') return told;
  throw await failure(log, fault ?? end);
}

async function failure(log: string, end: string | Error): Promise<EngineError> {
  // Without a log it ended before it began: its end says all there is.
  const words = await readFile(log, 'utf8').catch(() => '');
  const faults = words.split('\n').filter((line) => /^(ERROR|FATAL)/.test(line));
  const detail = `${COMMAND} ended with ${String(end)}: ${faults.join('; ')}`.slice(
    0,
    DETAIL_CHARS_MAX,
  );
  return new EngineError({ code: 'job_failed', retryable: true, detail });
}

/** Whether it hears a moment of silence without a fault. */
async function canRun(command: string, signal: AbortSignal): Promise<boolean> {
  const directory = await mkdtemp(join(tmpdir(), 'tessera-sphinx-'));
  try {
    const path = join(directory, 'silence.wav');
    await writeFile(path, silence());
    await recognise({ command, path, directory, signal });
    return true;
  } catch {
    // Why does not matter: what cannot be run is not there.
    signal.throwIfAborted();
    return false;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Half a second of a WAV of 16 kHz, mono, 16 bits. */
function silence(): Buffer {
  const bytes = 16_000;
  const file = Buffer.alloc(44 + bytes);
  file.write('RIFF....WAVEfmt ', 0, 'latin1');
  file.writeUInt32LE(36 + bytes, 4);
  file.writeUInt32LE(16, 16);
  for (const [at, value] of [
    [20, 1],
    [22, 1],
    [32, 2],
    [34, 16],
  ] as const) {
    file.writeUInt16LE(value, at);
  }
  file.writeUInt32LE(16_000, 24);
  file.writeUInt32LE(32_000, 28);
  file.write('data', 36, 'latin1');
  file.writeUInt32LE(bytes, 40);
  return file;
}

/** The engine of the model `pocketsphinx`. */
export function createPocketsphinx(): Engine {
  return new Pocketsphinx();
}
