/**
 * Transcription servers as they were seen to behave: whisper.cpp's (no list of models, health
 * that is not found while it loads, faults of any kind as `Invalid request`, a wait without end
 * for a body of unknown length, one request at a time) and speaches.
 */
import type { ServerResponse } from 'node:http';
import { HttpDouble, reply, replyText } from './http-double.ts';
import type { Asked } from './http-double.ts';

/** Fields and the file of a multipart body. */
export async function formOf({ body, headers }: Asked): Promise<FormData> {
  const type = { 'content-type': String(headers['content-type']) };
  return new Response(new Uint8Array(body), { headers: type }).formData();
}

const TOKENS = [
  { word: ' And', start: 0.1, end: 0.4 },
  { word: ' so', start: 0.4, end: 0.6 },
  { word: ' Amer', start: 0.6, end: 0.8 },
  { word: 'icans', start: 0.8, end: 1 },
  { word: ',', start: 1, end: 1 },
];
const ASK = [
  { word: ' ask', start: 1.2, end: 1.5 },
  { word: ' not.', start: 1.5, end: 1.9 },
];
/** Far longer than a cancelled one may take. */
const LONG_MS = 5000;
export const TEXT = 'And so Americans, ask not.';

export class WhisperDouble extends HttpDouble {
  kind: 'whisper.cpp' | 'speaches' = 'whisper.cpp';
  models = ['Systran/faster-whisper-large-v3', 'tts-1'];
  loading = false;
  stalls = false;
  /** The recording, from 1, that it hears for `LONG_MS`. */
  longAt = Infinity;
  key: string | null = null;
  refusal: { readonly status: number; readonly body: string } | null = null;
  /** Instead of the transcript. */
  body: string | null = null;
  readonly forms: FormData[] = [];
  #heard = 0;

  protected answer(asked: Asked, response: ServerResponse): void | Promise<void> {
    const isCpp = this.kind === 'whisper.cpp';
    if (this.key !== null && asked.key !== this.key) return reply(response, {}, 403);
    switch (`${asked.method} ${asked.path}`) {
      case 'GET /':
        if (isCpp) return replyText(response, 200, '<title>Whisper.cpp Server</title>');
        break;
      case 'GET /health':
        if (this.loading) return replyText(response, 404, 'File Not Found (/health)');
        return reply(response, { status: 'ok' });
      case 'GET /v1/models':
        if (isCpp) break;
        return reply(response, { data: this.models.map((id) => ({ id })) });
      case 'POST /inference':
        if (!isCpp) break;
        return this.#transcribe(asked, response);
      case 'POST /v1/audio/transcriptions':
      case 'POST /v1/audio/translations':
        if (isCpp) break;
        return this.#transcribe(asked, response);
      case `DELETE /api/ps/${encodeURIComponent(this.models[0]!)}`:
        if (!isCpp) return reply(response, {});
    }
    replyText(response, 404, `File Not Found (${asked.path})`);
  }

  async #transcribe(asked: Asked, response: ServerResponse): Promise<void> {
    // Without a length the server waits until its own time-out.
    if (asked.headers['content-length'] === undefined || this.stalls) return;
    this.#heard += 1;
    if (this.#heard === this.longAt) await hearLong(response);
    if (this.refusal) return replyText(response, this.refusal.status, this.refusal.body);
    const form = await formOf(asked);
    this.forms.push(form);
    const file = form.get('file') as File | null;
    const head = file ? Buffer.from(await file.slice(0, 4).arrayBuffer()).toString() : '';
    if (head !== 'RIFF') return replyText(response, 400, 'Invalid request');
    if (this.body !== null) return replyText(response, 200, this.body);
    reply(response, this.kind === 'whisper.cpp' ? cppAnswer(form) : openaiAnswer(form));
  }
}

/** Ends at once when nobody waits for it any more. */
function hearLong(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, LONG_MS);
    response.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

function cppAnswer(form: FormData): object {
  const timed = form.get('token_timestamps') === 'true';
  const words = (tokens: typeof TOKENS) =>
    tokens.map(({ word, ...span }) => ({ word, probability: 0.9, ...(timed ? span : {}) }));
  return {
    task: form.get('translate') === 'true' ? 'translate' : 'transcribe',
    language: 'english',
    duration: 2,
    text: ' And so Americans,\n ask not.\n',
    segments: [
      { id: 0, text: ' And so Americans,', start: 0, end: 1, tokens: [1], words: words(TOKENS) },
      { id: 1, text: ' ask not.', start: 1, end: 2.5, tokens: [2], words: words(ASK) },
    ],
  };
}

function openaiAnswer(form: FormData): object {
  const byWord = form.getAll('timestamp_granularities[]').includes('word');
  const words = [
    { word: ' And', start: 0.1, end: 0.4 },
    { word: ' so', start: 0.4, end: 0.6 },
    { word: ' Americans,', start: 0.6, end: 1 },
    ...ASK,
  ];
  return {
    task: 'transcribe',
    language: 'en',
    duration: 2,
    text: TEXT,
    segments: [
      { id: 0, text: ' And so Americans,', start: 0, end: 1 },
      { id: 1, text: ' ask not.', start: 1, end: 2.5 },
    ],
    ...(byWord ? { words } : {}),
  };
}
