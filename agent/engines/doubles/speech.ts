/**
 * Speech servers as they were seen or read to behave: Kokoro-FastAPI, speaches and KoboldCPP,
 * with sound that is nothing, garbage, or of another format than asked for.
 */
import type { ServerResponse } from 'node:http';
import { HttpDouble, reply, replyText } from './http-double.ts';
import type { Asked } from './http-double.ts';

const KOKORO_VOICES = ['af_heart', 'af_bella', 'am_adam', 'bf_emma', 'bm_george', 'ff_siwis'];

/** A second of silence for each ten characters, in 16-bit mono. */
export function wavOf(seconds: number, { sizes = true } = {}): Buffer {
  const bytes = Math.round(seconds * 24_000) * 2;
  const file = Buffer.alloc(44 + bytes);
  file.write('RIFF....WAVEfmt ', 0, 'latin1');
  file.writeUInt32LE(sizes ? 36 + bytes : 0xffffffff, 4);
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20);
  file.writeUInt16LE(1, 22);
  file.writeUInt32LE(24_000, 24);
  file.writeUInt32LE(48_000, 28);
  file.writeUInt16LE(2, 32);
  file.writeUInt16LE(16, 34);
  file.write('data', 36, 'latin1');
  file.writeUInt32LE(sizes ? bytes : 0xffffffff, 40);
  return file;
}

/** Frames of MPEG 1 layer III, 128 kbit/s, 44.1 kHz: 1152 samples each. */
export function mp3Of(frames: number): Buffer {
  const frame = Buffer.alloc(417);
  frame.writeUInt32BE(0xfffb9000, 0);
  return Buffer.concat(Array.from({ length: frames }, () => frame));
}

/** The first and the last page of an Ogg Opus file that plays this long. */
export function opusOf(seconds: number): Buffer {
  const first = Buffer.alloc(28 + 19);
  first.write('OggS', 0, 'latin1');
  first.write('OpusHead', 28, 'latin1');
  first.writeUInt16LE(312, 38);
  const last = Buffer.alloc(28);
  last.write('OggS', 0, 'latin1');
  last.writeBigInt64LE(BigInt(Math.round(seconds * 48_000) + 312), 6);
  return Buffer.concat([first, last]);
}

export class SpeechDouble extends HttpDouble {
  kind: 'kokoro' | 'speaches' | 'koboldcpp' = 'kokoro';
  models = ['tts-1', 'tts-1-hd', 'kokoro'];
  voices = KOKORO_VOICES;
  tts = true;
  key: string | null = null;
  mayUnload = false;
  /** Instead of the sound that was asked for. */
  body: Buffer | null = null;
  refusal: { readonly status: number; readonly body: string } | null = null;
  /** Never answers a request for speech. */
  stalls = false;
  /** Ends its answer before the length that it announced. */
  breaks = false;

  protected answer(asked: Asked, response: ServerResponse): void {
    if (this.key !== null && asked.key !== this.key) return reply(response, {}, 401);
    switch (`${asked.method} ${asked.path}`) {
      case 'GET /api/extra/version':
        if (this.kind !== 'koboldcpp') break;
        return reply(response, { result: 'KoboldCpp', version: '1.115.1', tts: this.tts });
      case 'GET /v1/models':
        return reply(response, { data: this.models.map((id) => this.#entry(id)) });
      case 'GET /v1/audio/voices':
        return reply(response, this.#voices());
      case 'POST /v1/audio/speech':
        return this.#speak(asked, response);
      case 'POST /dev/unload':
        if (this.kind !== 'kokoro') break;
        return reply(response, {}, this.mayUnload ? 200 : 403);
      case `DELETE /api/ps/${encodeURIComponent(this.models[0] ?? '')}`:
        if (this.kind === 'speaches') return reply(response, {}, 200);
    }
    replyText(response, 404, 'Not Found');
  }

  /** Who owns a model says whose server it is; speaches tells what its models are for. */
  #entry(id: string): object {
    if (this.kind === 'speaches') return { id, object: 'model', task: 'text-to-speech' };
    return { id, object: 'model', owned_by: this.kind };
  }

  #voices(): unknown {
    if (this.kind !== 'speaches') return { voices: this.voices };
    return this.voices.map((id) => ({ model_id: this.models[0], voice_id: id }));
  }

  #speak({ json }: Asked, response: ServerResponse): void {
    const { refusal } = this;
    if (refusal) return replyText(response, refusal.status, refusal.body);
    if (this.stalls) return;
    const format = this.kind === 'koboldcpp' ? 'wav' : String(json['response_format']);
    const file = this.body ?? this.#sound(format, String(json['input']).length / 10);
    response.writeHead(200, { 'content-type': 'audio/wav', 'content-length': file.length });
    if (!this.breaks) {
      response.end(file);
      return;
    }
    response.write(file.subarray(0, file.length / 2), () => response.destroy());
  }

  #sound(format: string, seconds: number): Buffer {
    if (format === 'mp3') return mp3Of(Math.round((seconds * 44_100) / 1152));
    if (format === 'opus') return opusOf(seconds);
    return wavOf(seconds, { sizes: this.kind !== 'kokoro' });
  }
}
