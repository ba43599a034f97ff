/**
 * Speech by any server that speaks the OpenAI API: Kokoro-FastAPI, speaches, KoboldCPP. What
 * comes back is judged by its bytes, not by what the answer says of them: a server may send a WAV
 * whatever was asked for, or nothing with success. A model is announced when the server lists
 * it and has the voices that the catalog promises.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { CONTENT_TYPES } from '#schema/artifact.ts';
import type { JobSpec, SpeechSpec } from '#schema/job.ts';
import { ARTIFACT_BYTES_MAX } from '#schema/limits.ts';
import { findModel } from '#schema/model.ts';
import type { ModelId } from '#schema/model.ts';
import { decodeWav, writeSound } from './audio.ts';
import type { Engine, EngineInfo, RunContext, RunResult } from './engine.ts';
import { ServerClient } from './server/client.ts';
import { freeQuietly, matchModels, Teller, wrongType } from './server/engine.ts';
import type { ServerOptions } from './server/engine.ts';
import { failed, faultOf, lacking, refused } from './server/fault.ts';
import { Pace } from './server/pace.ts';
import { afterReal } from './server/watch.ts';
import { kindOf } from './speech/sound.ts';
import type { SoundKind } from './speech/sound.ts';

const USUAL = 'kokoro';
/** Ten minutes of speech on a processor alone. */
export const SPEECH_MS = 15 * 60_000;

const TYPES = { wav: 'audio/wav', mp3: 'audio/mpeg', ogg: 'audio/ogg' } as const;
/** What the API calls a format; Opus comes in Ogg. */
const API_FORMATS = { wav: 'wav', mp3: 'mp3', ogg: 'opus' } as const;
/** Kokoro's letters for languages; English is left to the voice, which says which English. */
const LANGUAGES: Readonly<Record<string, string>> = {
  'en-us': 'a',
  'en-gb': 'b',
  es: 'e',
  fr: 'f',
  hi: 'h',
  it: 'i',
  ja: 'j',
  pt: 'p',
  'pt-br': 'p',
  zh: 'z',
};

const Models = z.object({ data: z.array(z.object({ id: z.string() })) });
const Kobold = z.object({ result: z.literal('KoboldCpp'), tts: z.boolean().default(false) });
const Voice = z.union([
  z.string(),
  z.object({ voice_id: z.string() }).transform(({ voice_id: id }) => id),
  z.object({ id: z.string() }).transform(({ id }) => id),
  z.object({ name: z.string() }).transform(({ name }) => name),
]);
const Voices = z.union([
  z.array(Voice),
  z.object({ voices: z.array(Voice) }).transform(({ voices }) => voices),
]);

class Speech implements Engine {
  readonly name = 'speech';
  readonly #options: ServerOptions;
  readonly #client: ServerClient;
  readonly #teller: Teller;
  readonly #pace: Pace;
  #names: ReadonlyMap<ModelId, string> = new Map();
  #voices: readonly string[] = [];
  #resident: readonly ModelId[] = [];

  constructor(options: ServerOptions) {
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
    const { settings } = this.#options;
    const { names, missing } = matchModels('speech', { settings, ids: listed.ids, usual: USUAL });
    this.#voices = await this.#askVoices(signal);
    const faults = [...missing];
    const sound = [...names].filter(([id]) => {
      const lost = (findModel(id)?.voices ?? []).filter((voice) => !this.#voices.includes(voice));
      if (lost.length > 0) faults.push(`the server has not the voices ${lost.join(', ')} of ${id}`);
      return lost.length === 0;
    });
    if (names.size === 0 && faults.length === 0) {
      faults.push('the server lists no speech model; name one by TESSERA_SPEECH_MODELS');
    }
    this.#teller.tell(faults);
    this.#names = new Map(sound);
    return { version: listed.version, models: [...this.#names.keys()] };
  }

  resident(): readonly ModelId[] {
    return this.#resident;
  }

  async run(spec: JobSpec, context: RunContext): Promise<RunResult> {
    context.signal.throwIfAborted();
    if (spec.type !== 'speech') throw wrongType('a speech server', spec.type);
    const model = this.#names.get(spec.model);
    if (model === undefined) throw lacking(`the server has no model for ${spec.model}`);
    const json = this.#requestOf(spec, model);
    const report = (fraction: number) =>
      context.onProgress({ fraction, stage: 'running', step: null, steps: null });
    const file = await this.#pace.measure(spec.input.length, report, async () => {
      const { signal } = context;
      const limits = { timeoutMs: SPEECH_MS, bytesMax: ARTIFACT_BYTES_MAX };
      const answer = await this.#client.ask('/v1/audio/speech', { json, signal, ...limits });
      if (answer.status < 200 || answer.status > 299) {
        throw faultOf(answer.status, answer.bytes.toString('utf8', 0, 2000));
      }
      return answer.bytes;
    });
    this.#resident = [...new Set([...this.#resident, spec.model])];
    const { path, kind } = await deliver(file, spec.format, context.directory);
    context.signal.throwIfAborted();
    const { contentType, durationS } = kind;
    const none = { width: null, height: null, thumbnail: null };
    return {
      outputs: [{ path, contentType, durationS, ...none }],
      usage: durationS === null ? {} : { audioS: durationS },
      loadMs: 0,
    };
  }

  async free(): Promise<void> {
    const onGone = () => {
      this.#resident = [];
    };
    await freeQuietly(() => this.#free(), { say: this.#options.say, onGone });
  }

  /** Kokoro-FastAPI may allow it, speaches does; others keep what they have. */
  async #free(): Promise<void> {
    const { signal } = new AbortController();
    for (const id of this.#resident) {
      const name = encodeURIComponent(this.#names.get(id) ?? id);
      const kokoro = await this.#client.ask('/dev/unload', { method: 'POST', signal });
      const done =
        kokoro.status === 200 ||
        (await this.#client.ask(`/api/ps/${name}`, { method: 'DELETE', signal })).status === 200;
      if (done) this.#resident = this.#resident.filter((other) => other !== id);
    }
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  /** The speech models there; KoboldCPP lists its text model only, its voices tell the rest. */
  async #list(signal: AbortSignal): Promise<{ version: string; ids: readonly string[] } | null> {
    const kobold = Kobold.safeParse(await this.#client.json('/api/extra/version', { signal }));
    if (kobold.success) {
      const names = [...this.#options.settings.models.values()];
      const ids = names.length > 0 ? names : [USUAL];
      return { version: 'KoboldCpp', ids: kobold.data.tts ? ids : [] };
    }
    const asking = this.#client.json('/v1/models?task=text-to-speech', { signal });
    const answer = await this.#teller.watching(asking);
    if (answer === null) return null;
    const models = Models.safeParse(answer);
    if (!models.success) throw failed('/v1/models: no list of models');
    const ids = models.data.data.map(({ id }) => id);
    // By its full name: speaches lists it with its owner and its version.
    const kokoro = ids.find((id) => id === USUAL) ?? ids.find((id) => /kokoro/i.test(id));
    const known = this.#options.settings.models.size > 0 ? ids : kokoro ? [kokoro] : [];
    return { version: 'openai', ids: known };
  }

  async #askVoices(signal: AbortSignal): Promise<readonly string[]> {
    const answer = await this.#client.json('/v1/audio/voices', { signal });
    return Voices.safeParse(answer).data ?? [];
  }

  #requestOf(spec: SpeechSpec, model: string): object {
    // `a(2)+b` mixes voices.
    const parts = spec.voice.split(/[+-]/).map((part) => part.replace(/\(.*\)$/, ''));
    const unknown = parts.filter((part) => !this.#voices.includes(part));
    if (unknown.length > 0) throw refused(`no voice ${unknown.join(', ')} on this server`);
    const language = spec.language.toLowerCase();
    const isPlain = language === 'en' || language === 'auto';
    const code = LANGUAGES[language] ?? LANGUAGES[language.split('-')[0]!];
    if (!isPlain && code === undefined) throw refused(`no speech in ${spec.language}`);
    return {
      model,
      input: spec.input,
      voice: spec.voice,
      response_format: API_FORMATS[spec.format],
      speed: spec.speed,
      // A stream that fails is only shorter; a whole answer says that it failed.
      stream: false,
      ...(isPlain ? {} : { lang_code: code }),
    };
  }
}

/** Writes the sound as it was asked for; a WAV can be made anything but MP3. */
async function deliver(
  file: Buffer,
  format: SpeechSpec['format'],
  directory: string,
): Promise<{ readonly path: string; readonly kind: SoundKind }> {
  if (file.length === 0) throw failed('the server answered with no sound: it has no speech model');
  const kind = kindOf(file);
  if (!kind) throw failed(`not a sound: ${file.toString('utf8', 0, 200)}`);
  if (kind.durationS === 0) throw failed('the sound is empty');
  const wanted = TYPES[format];
  if (kind.contentType === 'audio/wav' && format !== 'mp3' && kind.durationS !== null) {
    // Written anew also as WAV: a server that streams leaves the sizes in its header open.
    const path = await writeSound(decodeWav(file), { directory, format });
    return { path, kind: { contentType: wanted, durationS: kind.durationS } };
  }
  if (kind.contentType !== wanted) {
    throw refused(`the server makes ${kind.contentType}, not ${wanted}: ask for wav or ogg`);
  }
  const path = join(directory, `0.${CONTENT_TYPES[wanted]}`);
  await writeFile(path, file);
  return { path, kind };
}

/** The engine of the speech models that an OpenAI-compatible server has. */
export function createSpeech(options: ServerOptions): Engine {
  return new Speech(options);
}
