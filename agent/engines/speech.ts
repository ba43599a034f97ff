/**
 * Speech by any server that speaks the OpenAI API: Kokoro-FastAPI, speaches, KoboldCPP. What
 * comes back is judged by its bytes, not by what the answer says of them: a server may send a WAV
 * whatever was asked for, or nothing with success. A model is announced when the server lists
 * it and has the voices that the catalog promises.
 */
import { z } from 'zod';
import type { JobSpec, SpeechSpec } from '#schema/job.ts';
import { findModel } from '#schema/model.ts';
import { RESULT_BUFFER_BYTES_MAX } from '../limits.ts';
import type { Engine, RunContext, RunResult } from './engine.ts';
import { ServerEngine } from './server/driver.ts';
import type { Found } from './server/driver.ts';
import { matchModels, wrongType } from './server/engine.ts';
import type { ServerOptions } from './server/engine.ts';
import { faultOf, refused } from './server/fault.ts';
import { Pace } from './server/pace.ts';
import { deliver } from './speech/delivery.ts';

const USUAL = 'kokoro';
const KOBOLD = 'KoboldCpp';
/** Ten minutes of speech on a processor alone. */
export const SPEECH_MS = 15 * 60_000;

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

const Kobold = z.object({ result: z.literal(KOBOLD), tts: z.boolean().default(false) });
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

class Speech extends ServerEngine<string> {
  readonly name = 'speech';
  readonly #pace = new Pace(this.client.after);
  #ffmpeg: string | null = null;
  #voices: readonly string[] = [];

  protected async look(signal: AbortSignal): Promise<Found<string> | null> {
    const listed = await this.#listed(signal);
    if (!listed) return null;
    const { settings } = this;
    const { names, missing } = matchModels('speech', { settings, ids: listed.ids, usual: USUAL });
    this.#voices = await this.#askVoices(signal);
    this.#ffmpeg = await this.findFfmpeg(signal);
    const faults = [...missing];
    const sound = [...names].filter(([id]) => {
      const lost = (findModel(id)?.voices ?? []).filter((voice) => !this.#voices.includes(voice));
      if (lost.length > 0) faults.push(`the server has not the voices ${lost.join(', ')} of ${id}`);
      return lost.length === 0;
    });
    if (names.size === 0 && faults.length === 0) {
      faults.push('the server lists no speech model; name one by TESSERA_SPEECH_MODELS');
    }
    if (listed.version === KOBOLD && sound.length > 0 && this.#ffmpeg === null) {
      faults.push('ffmpeg is not on the PATH: KoboldCPP makes WAV alone, so no MP3 can be made');
    }
    this.teller.tell(faults);
    return { version: listed.version, served: new Map(sound) };
  }

  async run(spec: JobSpec, context: RunContext): Promise<RunResult> {
    const { signal, directory } = context;
    signal.throwIfAborted();
    if (spec.type !== 'speech') throw wrongType('a speech server', spec.type);
    const model = this.find(spec.model);
    const json = this.#requestOf(spec, model);
    const file = await this.#pace.measure(spec.input.length, context, async () => {
      const limits = { timeoutMs: SPEECH_MS, bytesMax: RESULT_BUFFER_BYTES_MAX };
      const answer = await this.client.ask('/v1/audio/speech', { json, signal, ...limits });
      if (answer.status < 200 || answer.status > 299) {
        throw faultOf(answer.status, answer.bytes.toString('utf8', 0, 2000));
      }
      return answer.bytes;
    });
    this.holds(spec.model, model);
    return deliver(file, { format: spec.format, ffmpeg: this.#ffmpeg, directory, signal });
  }

  /** Kokoro-FastAPI may allow it, speaches does; others keep what they have. */
  protected async unload(model: string, signal: AbortSignal): Promise<boolean> {
    const kokoro = await this.client.ask('/dev/unload', { method: 'POST', signal });
    if (kokoro.status === 200) return true;
    const path = `/api/ps/${encodeURIComponent(model)}`;
    return (await this.client.ask(path, { method: 'DELETE', signal })).status === 200;
  }

  /** The speech models there; KoboldCPP lists its text model only, its voices tell the rest. */
  async #listed(signal: AbortSignal): Promise<{ version: string; ids: readonly string[] } | null> {
    const named = [...this.settings.models.values()];
    const kobold = Kobold.safeParse(await this.client.json('/api/extra/version', { signal }));
    if (kobold.success) {
      const ids = named.length > 0 ? named : [USUAL];
      return { version: KOBOLD, ids: kobold.data.tts ? ids : [] };
    }
    const ids = await this.list('/v1/models?task=text-to-speech', signal);
    if (ids === null) return null;
    if (named.length > 0) return { version: 'openai', ids };
    // By its full name: speaches lists it with its owner and its version.
    const kokoro = ids.find((id) => id === USUAL) ?? ids.find((id) => /kokoro/i.test(id));
    return { version: 'openai', ids: kokoro === undefined ? [] : [kokoro] };
  }

  async #askVoices(signal: AbortSignal): Promise<readonly string[]> {
    const answer = await this.client.json('/v1/audio/voices', { signal });
    return Voices.safeParse(answer).data ?? [];
  }

  #requestOf(spec: SpeechSpec, model: string): object {
    // `a(2)+b` mixes voices.
    const parts = spec.voice.split(/[+-]/).map((part) => part.replace(/\(.*\)$/, ''));
    const unknown = parts.filter((part) => !this.#voices.includes(part));
    if (unknown.length > 0) throw refused(`no voice ${unknown.join(', ')} on this server`);
    const language = spec.language.toLowerCase();
    const [base = ''] = language.split('-');
    const code = LANGUAGES[language] ?? LANGUAGES[base];
    const isPlain = code === undefined && (base === 'en' || base === 'auto');
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

/** The engine of the speech models that an OpenAI-compatible server has. */
export function createSpeech(options: ServerOptions): Engine {
  return new Speech(options);
}
