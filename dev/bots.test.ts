import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Bot } from '#schema/chat.ts';
import { registerBots } from './bots.ts';

const TELEGRAM: Bot = {
  id: 'painter',
  platform: 'telegram',
  type: 'image',
  token: '900:very-secret',
  webhookSecret: 'webhook-secret-of-tests',
  username: 'tessera_bot',
};
const DISCORD: Bot = {
  id: 'studio',
  platform: 'discord',
  type: 'video',
  token: 'discord-very-secret',
  publicKey: '0'.repeat(64),
  applicationId: '77',
};

/** Both platforms, as far as a registration goes. */
let server: Server;
let calls: { method: string; path: string; body: unknown; token: string }[];
let endpoint: string | null;
let webhook: string;
let broken: boolean;

beforeEach(async () => {
  calls = [];
  endpoint = null;
  webhook = '';
  broken = false;
  server = createServer((request, response) => void handle(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(() => {
  server.close();
  server.closeAllConnections();
});

async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body: unknown = JSON.parse((await text(request)) || 'null');
  const [, token = '', path] = /^\/bot([^/]+)\/(\w+)$/.exec(request.url ?? '') ?? [];
  const method = request.method ?? '';
  calls.push({ method, path: path ?? request.url ?? '', body, token });
  const answer = (status: number, json: unknown) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(json));
  };
  if (broken) {
    answer(401, { ok: false, error_code: 401, description: `bad token ${token}` });
  } else if (path === undefined) {
    if (method === 'PATCH') {
      endpoint = (body as { interactions_endpoint_url: string }).interactions_endpoint_url;
    }
    answer(200, { id: '77', interactions_endpoint_url: endpoint });
  } else {
    if (path === 'setWebhook') webhook = (body as { url: string }).url;
    const results: Record<string, unknown> = {
      getMe: { id: 900, username: 'Tessera_bot' },
      getWebhookInfo: { url: webhook },
    };
    answer(200, { ok: true, result: results[path] ?? true });
  }
}

function register(...bots: Bot[]) {
  const api = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return registerBots(bots, {
    publicUrl: 'https://tessera.example',
    telegramApiUrl: api,
    discordApiUrl: api,
  });
}

describe('the registration of bots', () => {
  it('sets webhook, secret, kinds of updates and the menu of a Telegram bot', async () => {
    const [done] = await register(TELEGRAM);
    expect(done).toMatchObject({ id: 'painter', ok: true });
    const set = calls.find(({ path }) => path === 'setWebhook');
    expect(set?.body).toEqual({
      url: 'https://tessera.example/hooks/telegram/painter',
      secret_token: 'webhook-secret-of-tests',
      allowed_updates: ['message', 'callback_query'],
      max_connections: 40,
    });
    const menu = calls.find(({ path }) => path === 'setMyCommands')?.body as {
      commands: { command: string; description: string }[];
    };
    for (const { command, description } of menu.commands) {
      expect(command).toMatch(/^[a-z0-9_]{1,32}$/);
      expect(description.length).toBeLessThanOrEqual(256);
    }
  });

  it('sets the commands of a Discord bot as a whole, and its endpoint only when it differs', async () => {
    expect(await register(DISCORD)).toMatchObject([{ ok: true }]);
    expect(await register(DISCORD)).toMatchObject([{ ok: true }]);
    const methods = calls.map(({ method }) => method);
    expect(methods).toEqual(['PUT', 'GET', 'PATCH', 'PUT', 'GET']);
    expect(calls[0]).toMatchObject({ path: '/applications/77/commands' });
    expect(endpoint).toBe('https://tessera.example/hooks/discord/studio');
  });

  it('says of each bot what is wrong, without its token, and goes on with the next', async () => {
    broken = true;
    const all = await register(TELEGRAM, DISCORD);
    expect(all.map(({ ok }) => ok)).toEqual([false, false]);
    expect(JSON.stringify(all)).toContain('401');
    expect(JSON.stringify(all)).not.toContain('very-secret');
  });

  it('refuses a username that is not the bot’s own, and asks for one that is missing', async () => {
    const wrong = { ...TELEGRAM, username: 'other_bot' };
    expect(await register(wrong)).toMatchObject([{ ok: false }]);
    expect(webhook).toBe('');
    const { username, ...unnamed } = TELEGRAM;
    const [done] = await register(unnamed);
    expect(username).toBe('tessera_bot');
    expect(done?.remark).toContain('"username":"Tessera_bot"');
  });

  it('says so when a platform is not there', async () => {
    const nowhere = 'http://127.0.0.1:1';
    const [done] = await registerBots([TELEGRAM], {
      publicUrl: 'https://tessera.example',
      telegramApiUrl: nowhere,
      discordApiUrl: nowhere,
    });
    expect(done).toEqual({ id: 'painter', ok: false, remark: 'no answer (TypeError)' });
  });
});
