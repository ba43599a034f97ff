/**
 * Transcription by a Whisper server: whisper.cpp's own, or one of the OpenAI shape (speaches).
 * It tells no progress: that is estimated by what earlier recordings took. Closing the
 * connection cancels.
 */
import { openAsBlob } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FormData } from 'undici';
import { z } from 'zod';
import { CONTENT_TYPES } from '#schema/artifact.ts';
import type { JobSpec, TranscriptionSpec } from '#schema/job.ts';
import { JOB_RUN_MS_MAX } from '#schema/limits.ts';
import type { ModelId } from '#schema/model.ts';
import type { Engine, EngineInfo, RunContext, RunResult } from './engine.ts';
import { ServerClient } from './server/client.ts';
import type { Reply } from './server/client.ts';
import { freeQuietly, matchModels, Teller, wrongType } from './server/engine.ts';
import type { ServerOptions } from './server/engine.ts';
import { away, failed, faultOf, lacking } from './server/fault.ts';
import { Pace } from './server/pace.ts';
import { afterReal } from './server/watch.ts';
import { findCommand, prepare, unreadable } from './whisper/recording.ts';
import type { Recording } from './whisper/recording.ts';
import { render, toTranscript, TRANSCRIPT_TYPES, Verbose } from './whisper/transcript.ts';

const USUAL = 'whisper';
const TRANSCRIBE_MS_MIN = 2 * 60_000;
/** Three times as slow as speech: a large model on a processor alone. */
const SLOWEST = 3;
/** Text with the times of each word. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

const Models = z.object({ data: z.array(z.object({ id: z.string() })) });

export interface WhisperOptions extends ServerOptions {
  /** The command; given in tests. */
  readonly ffmpeg?: string;
}

type Kind = 'whisper.cpp' | 'openai';

class Whisper implements Engine {
  readonly name = 'whisper';
  readonly #options: WhisperOptions;
  readonly #client: ServerClient;
  readonly #teller: Teller;
  readonly #pace: Pace;
  #kind: Kind = 'openai';
  #names: ReadonlyMap<ModelId, string> = new Map();
  #ffmpeg: string | null = null;
  #resident: readonly ModelId[] = [];

  constructor(options: WhisperOptions) {
    this.#options = options;
    this.#client = new ServerClient({ ...options.settings, after: options.after });
    this.#teller = new Teller(options.say);
    this.#pace = new Pace(options.after ?? afterReal);
  }

  async discover(signal: AbortSignal): Promise<EngineInfo | null> {
    try {
      return await this.#discover(signal);
    } catch (error) {
      // What does not answer any more holds nothing.
      this.#resident = [];
      throw error;
    }
  }

  async #discover(signal: AbortSignal): Promise<EngineInfo | null> {
    const listed = await this.#list(signal);
    if (!listed) return null;
    const { settings, ffmpeg = 'ffmpeg' } = this.#options;
    const { ids, kind } = listed;
    const { names, missing } = matchModels('transcription', { settings, ids, usual: USUAL });
    this.#kind = kind;
    this.#ffmpeg = await findCommand(ffmpeg, signal);
    const faults = [...missing];
    if (names.size === 0) faults.push('the server lists no model for transcription');
    if (!this.#ffmpeg) faults.push('ffmpeg is not on the PATH: only WAV recordings can be read');
    this.#teller.tell(faults);
    this.#names = names;
    // whisper.cpp's server holds its one model as long as it runs.
    if (kind === 'whisper.cpp') this.#resident = [...this.#names.keys()];
    return { version: kind, models: [...this.#names.keys()] };
  }

  resident(): readonly ModelId[] {
    return this.#resident;
  }

  async run(spec: JobSpec, context: RunContext): Promise<RunResult> {
    context.signal.throwIfAborted();
    if (spec.type !== 'transcription') throw wrongType('a Whisper server', spec.type);
    const { signal, directory } = context;
    const model = this.#names.get(spec.model);
    if (model === undefined) throw lacking(`the server has no model for ${spec.model}`);
    const report = (fraction: number) =>
      context.onProgress({ fraction, stage: 'running', step: null, steps: null });
    report(0);
    const source = await context.openInput(spec.file);
    const toldS = spec.duration_s;
    const fitting = { ffmpeg: this.#ffmpeg, directory, signal, toldS };
    const recording = await prepare(source, fitting);
    const { durationS } = recording;
    const told = await this.#pace.measure(durationS, report, () =>
      this.#transcribe({ spec, model, recording, signal }),
    );
    this.#resident = [...new Set([...this.#resident, spec.model])];
    const transcript = toTranscript(told, durationS);
    if (transcript.text === '') throw unreadable('no speech was heard in the recording');
    const contentType = TRANSCRIPT_TYPES[spec.format];
    const path = join(directory, `0.${CONTENT_TYPES[contentType]}`);
    await writeFile(path, render(transcript, spec));
    signal.throwIfAborted();
    const none = { width: null, height: null, durationS: null, thumbnail: null };
    return { outputs: [{ path, contentType, ...none }], usage: { audioS: durationS }, loadMs: 0 };
  }

  async free(): Promise<void> {
    const onGone = () => {
      this.#resident = [];
    };
    await freeQuietly(() => this.#free(), { say: this.#options.say, onGone });
  }

  /** speaches unloads a model when told; whisper.cpp's server never does. */
  async #free(): Promise<void> {
    if (this.#kind === 'whisper.cpp') return;
    const { signal } = new AbortController();
    for (const id of this.#resident) {
      const path = `/api/ps/${encodeURIComponent(this.#names.get(id) ?? id)}`;
      const { status } = await this.#client.ask(path, { method: 'DELETE', signal });
      if (status === 200) this.#resident = this.#resident.filter((other) => other !== id);
    }
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  /** whisper.cpp knows no list of models; while it loads, it knows not even its health. */
  async #list(signal: AbortSignal): Promise<{ kind: Kind; ids: readonly string[] } | null> {
    const path = '/v1/models?task=automatic-speech-recognition';
    const answer = await this.#teller.watching(this.#client.json(path, { signal }));
    if (answer === null) {
      const health = await this.#client.json('/health', { signal });
      const ids = [...this.#options.settings.models.values()];
      return health === null ? null : { kind: 'whisper.cpp', ids: ids.length > 0 ? ids : [USUAL] };
    }
    const models = Models.safeParse(answer);
    if (!models.success) throw failed('/v1/models: no list of models');
    const ids = models.data.data.map(({ id }) => id);
    const isNamed = this.#options.settings.models.size > 0;
    return { kind: 'openai', ids: isNamed ? ids : ids.filter((id) => /whisper/i.test(id)) };
  }

  async #transcribe(work: Work): Promise<Verbose> {
    const { recording, signal, spec } = work;
    const isCpp = this.#kind === 'whisper.cpp';
    const route = spec.translate ? 'translations' : 'transcriptions';
    const path = isCpp ? '/inference' : `/v1/audio/${route}`;
    const form = isCpp ? cppForm(work) : openaiForm(work);
    // With its length known: whisper.cpp waits for ever for the end of a body without.
    form.set('file', await openAsBlob(recording.path, { type: 'audio/wav' }), 'recording.wav');
    const timeoutMs = Math.min(
      JOB_RUN_MS_MAX,
      Math.max(TRANSCRIBE_MS_MIN, recording.durationS * 1000 * SLOWEST),
    );
    const limits = { timeoutMs, bytesMax: ANSWER_BYTES_MAX };
    const answer = await this.#client.ask(path, { form, signal, ...limits });
    if (answer.status !== 200) throw faultIn(answer, this.#kind);
    return parse(answer);
  }
}

interface Work {
  readonly spec: TranscriptionSpec;
  readonly model: string;
  readonly recording: Recording;
  readonly signal: AbortSignal;
}

function cppForm({ spec }: Work): FormData {
  const form = new FormData();
  const byWord = spec.timestamps === 'word';
  const fields = {
    response_format: 'verbose_json',
    language: spec.language.split('-')[0]!,
    translate: String(spec.translate),
    temperature: '0.0',
    // Times of tokens also cut segments after 60 characters, in the middle of a word.
    token_timestamps: String(byWord),
    split_on_word: String(byWord),
    no_language_probabilities: 'true',
  };
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  return form;
}

function openaiForm({ spec, model }: Work): FormData {
  const form = new FormData();
  form.set('model', model);
  form.set('response_format', 'verbose_json');
  form.set('temperature', '0');
  if (spec.language !== 'auto') form.set('language', spec.language.split('-')[0]!);
  if (spec.translate) return form;
  form.append('timestamp_granularities[]', 'segment');
  if (spec.timestamps === 'word') form.append('timestamp_granularities[]', 'word');
  // speaches leaves the segments' times out unless told not to.
  form.set('without_timestamps', 'false');
  return form;
}

function faultIn({ status, bytes }: Reply, kind: Kind): Error {
  const words = bytes.toString('utf8', 0, 2000);
  // Not of the model, but of the way there: it still loads, or serves under another path.
  if (kind === 'whisper.cpp' && status === 404) return away(`404: ${words}`);
  // All that it is ever told wrong is the file.
  if (kind === 'whisper.cpp' && status === 400) return unreadable(`400: ${words}`);
  const isFile = status === 415 || /decod|corrupt|invalid data|unsupported audio/i.test(words);
  return status < 500 && isFile ? unreadable(`${status}: ${words}`) : faultOf(status, words);
}

function parse({ bytes }: Reply): Verbose {
  try {
    const parsed = Verbose.safeParse(JSON.parse(bytes.toString()));
    if (parsed.success) return parsed.data;
  } catch {
    // Not JSON: told below, with what it was.
  }
  throw failed(`not a transcript: ${bytes.toString('utf8', 0, 200)}`);
}

/** The engine of the transcription models that a Whisper server has. */
export function createWhisper(options: WhisperOptions): Engine {
  return new Whisper(options);
}
