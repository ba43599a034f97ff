import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Bot } from '#schema/chat.ts';
import { CHAT_FILE_BYTES_MAX } from '#schema/chat-limits.ts';
import { parseEnv } from '../env.ts';
import { makeAccountId } from '../io/id.ts';
import { makeWav } from '../test/media.ts';
import { bindings } from '../test/world.ts';
import { fetchAttachment } from './fetch-attachment.ts';
import { findFile } from './find-file.ts';

const TELEGRAM: Bot = {
  id: 'scribe',
  platform: 'telegram',
  type: 'transcription',
  token: '900:secret',
  webhookSecret: 'webhook-secret-of-tests',
};
const DISCORD: Bot = {
  id: 'studio',
  platform: 'discord',
  type: 'image',
  token: 'secret',
  publicKey: '0'.repeat(64),
  applicationId: '77',
};

/** Answers calls by the end of their address; notes what was called. */
function serve(answers: Record<string, () => Response>): string[] {
  const called: string[] = [];
  vi.stubGlobal('fetch', (input: RequestInfo) => {
    const { url } = new Request(input);
    called.push(url);
    const found = Object.entries(answers).find(([part]) => url.endsWith(part));
    return found ? Promise.resolve(found[1]()) : Promise.reject(new TypeError('no such host'));
  });
  return called;
}

afterEach(() => {
  vi.unstubAllGlobals();
});

const env = () => parseEnv(bindings);
const accountId = makeAccountId(Date.now());
const voice = {
  bot: TELEGRAM,
  accountId,
  purpose: 'audio',
  source: 'voice',
  name: 'v.ogg',
} as const;
const picture = { bot: DISCORD, accountId, purpose: 'image', name: 'a.png' } as const;
const cdn = 'https://cdn.discordapp.com/a/b.png';

function fileInfo(info: object) {
  return () => Response.json({ ok: true, result: { file_id: 'voice', ...info } });
}

describe('a file that a user sent', () => {
  it('becomes an input file of the user, judged by its content', async () => {
    const wav = makeWav(1);
    serve({
      getFile: fileInfo({ file_path: 'voice/1.oga', file_size: wav.length }),
      '/file/bot900:secret/voice/1.oga': () => new Response(wav),
    });
    const stored = await fetchAttachment(env(), voice, Date.now());
    expect(stored).toMatchObject({ ok: true, value: { contentType: 'audio/wav', durationS: 1 } });
    if (!stored.ok) return;
    const fileId = stored.value.id;
    expect(await findFile(env(), { fileId, accountId }, Date.now())).not.toBeNull();
    const other = makeAccountId(Date.now());
    expect(await findFile(env(), { fileId, accountId: other }, Date.now())).toBeNull();
  });

  it('of another kind than its bot works on is not taken', async () => {
    serve({
      getFile: fileInfo({ file_path: 'x', file_size: 60 }),
      '/x': () => new Response('plain text, whatever it is called'.padEnd(60)),
    });
    const stored = await fetchAttachment(env(), voice, Date.now());
    expect(stored).toMatchObject({ ok: false, error: { reason: 'unsupported_file' } });
  });

  it('that is too large is not even opened', async () => {
    const file_size = CHAT_FILE_BYTES_MAX + 1;
    const called = serve({ getFile: fileInfo({ file_path: 'x', file_size }) });
    const stored = await fetchAttachment(env(), voice, Date.now());
    expect(stored).toMatchObject({ ok: false, error: { reason: 'file_too_large' } });
    expect(called).toHaveLength(1);
  });

  it.each<[string, () => Response, boolean]>([
    ['away', () => Response.json({ ok: false, error_code: 502 }, { status: 502 }), true],
    [
      'busy',
      () =>
        Response.json(
          { ok: false, error_code: 429, parameters: { retry_after: 3 } },
          { status: 429 },
        ),
      true,
    ],
    [
      'sure that there is none',
      () =>
        Response.json(
          { ok: false, error_code: 400, description: 'Bad Request: invalid file_id' },
          { status: 400 },
        ),
      false,
    ],
  ])(
    'is worth a repeat only if it may still come: the platform is %s',
    async (_, answer, mayRepeat) => {
      serve({ getFile: answer });
      const stored = await fetchAttachment(env(), voice, Date.now());
      expect(stored).toEqual({ ok: false, error: { reason: 'not_fetched', mayRepeat } });
    },
  );

  it.each([
    'https://example.com/b.png',
    'http://cdn.discordapp.com/a/b.png',
    'https://cdn.discordapp.com.example.com/b.png',
    'http://169.254.169.254/latest/meta-data',
    'http://localhost/b.png',
  ])('is fetched from the platform alone, not from %s', async (source) => {
    const called = serve({});
    const stored = await fetchAttachment(env(), { ...picture, source }, Date.now());
    expect(stored).toEqual({ ok: false, error: { reason: 'not_fetched', mayRepeat: false } });
    expect(called).toEqual([]);
  });

  it('of Discord needs a length that is known and small', async () => {
    const length = { 'content-length': String(CHAT_FILE_BYTES_MAX + 1) };
    serve({ 'b.png': () => new Response('x', { headers: length }) });
    const large = await fetchAttachment(env(), { ...picture, source: cdn }, Date.now());
    expect(large).toMatchObject({ ok: false, error: { reason: 'file_too_large' } });
    serve({ 'b.png': () => new Response('x', { status: 404 }) });
    const gone = await fetchAttachment(env(), { ...picture, source: cdn }, Date.now());
    expect(gone).toMatchObject({ ok: false, error: { mayRepeat: false } });
  });
});
