/**
 * Transcription by a Whisper server: whisper.cpp's own, or one of the OpenAI shape (speaches).
 * It tells no progress: that is estimated by what earlier recordings took. Closing the
 * connection cancels.
 */
import { openAsBlob } from 'node:fs';
import { FormData } from 'undici';
import type { JobSpec, TranscriptionSpec } from '#schema/job.ts';
import { JOB_RUN_MS_MAX } from '#schema/limits.ts';
import type { ModelId } from '#schema/model.ts';
import type { Engine, RunContext, RunResult } from './engine.ts';
import type { Reply } from './server/client.ts';
import { ServerEngine } from './server/driver.ts';
import type { Found } from './server/driver.ts';
import { matchModels, wrongType } from './server/engine.ts';
import type { ServerOptions } from './server/engine.ts';
import { away, failed, faultOf, refused } from './server/fault.ts';
import { Pace, runningAt } from './server/pace.ts';
import { deliver } from './whisper/delivery.ts';
import { prepare, unreadable } from './whisper/recording.ts';
import type { Recording } from './whisper/recording.ts';
import { toTranscript, toWhisper, Verbose } from './whisper/transcript.ts';

const USUAL = 'whisper';
const TRANSCRIBE_MS_MIN = 2 * 60_000;
/** Three times as slow as speech: a large model on a processor alone. */
const SLOWEST = 3;
/** Text with the times of each word. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

type Kind = 'whisper.cpp' | 'openai';

class Whisper extends ServerEngine<string> {
  readonly name = 'whisper';
  readonly #pace = new Pace(this.client.after);
  #kind: Kind = 'openai';
  #ffmpeg: string | null = null;

  protected async look(signal: AbortSignal): Promise<Found<string> | null> {
    const listed = await this.#listed(signal);
    if (!listed) return null;
    const { settings } = this;
    const { ids, kind } = listed;
    const { names, missing } = matchModels('transcription', { settings, ids, usual: USUAL });
    this.#kind = kind;
    this.#ffmpeg = await this.findFfmpeg(signal);
    const faults = [...missing];
    if (names.size === 0) faults.push('the server lists no model for transcription');
    if (!this.#ffmpeg) faults.push('ffmpeg is not on the PATH: only WAV recordings can be read');
    this.teller.tell(faults);
    // whisper.cpp's server holds its one model as long as it runs.
    const loaded = kind === 'whisper.cpp' ? names : new Map<ModelId, string>();
    return { version: kind, served: names, loaded };
  }

  async run(spec: JobSpec, context: RunContext): Promise<RunResult> {
    const { signal, directory } = context;
    signal.throwIfAborted();
    if (spec.type !== 'transcription') throw wrongType('a Whisper server', spec.type);
    const model = this.find(spec.model);
    const language = toWhisper(spec.language);
    if (language === null) throw refused(`Whisper knows no ${spec.language}`);
    context.onProgress(runningAt(0));
    const source = await context.openInput(spec.file);
    const fitting = { ffmpeg: this.#ffmpeg, directory, signal, toldS: spec.duration_s };
    const recording = await prepare(source, fitting);
    const { durationS } = recording;
    const told = await this.#pace.measure(durationS, context, () =>
      this.#transcribe({ spec, model, language, recording, signal }),
    );
    this.holds(spec.model, model);
    return deliver(toTranscript(told, durationS), spec, context);
  }

  /** speaches unloads a model when told; whisper.cpp's server never does. */
  protected async unload(model: string, signal: AbortSignal): Promise<boolean> {
    if (this.#kind === 'whisper.cpp') return false;
    const path = `/api/ps/${encodeURIComponent(model)}`;
    return (await this.client.ask(path, { method: 'DELETE', signal })).status === 200;
  }

  /** whisper.cpp knows no list of models; while it loads, it knows not even its health. */
  async #listed(signal: AbortSignal): Promise<{ kind: Kind; ids: readonly string[] } | null> {
    const named = [...this.settings.models.values()];
    const ids = await this.list('/v1/models?task=automatic-speech-recognition', signal);
    if (ids === null) {
      const health = await this.client.json('/health', { signal });
      if (health === null) return null;
      return { kind: 'whisper.cpp', ids: named.length > 0 ? named : [USUAL] };
    }
    return {
      kind: 'openai',
      ids: named.length > 0 ? ids : ids.filter((id) => /whisper/i.test(id)),
    };
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
    const answer = await this.client.ask(path, { form, signal, ...limits });
    if (answer.status !== 200) throw faultIn(answer, this.#kind);
    return parse(answer);
  }
}

interface Work {
  readonly spec: TranscriptionSpec;
  readonly model: string;
  /** As Whisper calls it. */
  readonly language: string;
  readonly recording: Recording;
  readonly signal: AbortSignal;
}

function cppForm({ spec, language }: Work): FormData {
  const form = new FormData();
  const byWord = spec.timestamps === 'word';
  const fields = {
    response_format: 'verbose_json',
    language,
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

function openaiForm({ spec, model, language }: Work): FormData {
  const form = new FormData();
  form.set('model', model);
  form.set('response_format', 'verbose_json');
  form.set('temperature', '0');
  if (spec.translate) return form;
  if (language !== 'auto') form.set('language', language);
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
export function createWhisper(options: ServerOptions): Engine {
  return new Whisper(options);
}
