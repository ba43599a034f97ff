/**
 * A Telegram in memory for tests of the courier: it takes the place of `fetch`, keeps the messages
 * of all chats, and does what a test tells it to do wrong. One call at a time may be held back.
 */
import { stubOutside } from './outside.ts';

export interface SeenCall {
  readonly token: string;
  readonly method: string;
  readonly params: Record<string, unknown>;
  readonly files: readonly string[];
}

/** What goes wrong with a call: an answer of the API, or none, before or after it was done. */
export type Mishap =
  | {
      readonly status: number;
      readonly description: string;
      readonly retryAfterS?: number;
      readonly movedTo?: number;
    }
  | 'lost_before'
  | 'lost_after';

interface Message {
  text: string;
  file: string | null;
  readonly replyTo: unknown;
}

/** What stands in all chats. */
export class FakeTelegram {
  readonly calls: SeenCall[] = [];
  readonly messages = new Map<string, Message>();
  /** Users who run all groups. */
  readonly admins = new Set<string>();
  readonly mishaps: { method: string; mishap: Mishap }[] = [];
  #nextId = 1;
  #gate: Promise<void> = Promise.resolve();

  /** Takes the place of `fetch` until the test's end. */
  install(): void {
    stubOutside((request) => this.#fetch(request));
  }

  /** The next call of this method goes wrong. */
  fail(method: string, mishap: Mishap): void {
    this.mishaps.push({ method, mishap });
  }

  /** Holds every call back until the function it gives is called. */
  hold(): () => void {
    let release = () => {};
    this.#gate = new Promise((resolve) => {
      release = resolve;
    });
    return release;
  }

  /** What stands in a chat, oldest first. */
  chat(chatId: string): { text: string; file: string | null }[] {
    return [...this.messages]
      .filter(([key]) => key.startsWith(`${chatId}:`))
      .map(([, { text, file }]) => ({ text, file }));
  }

  callsOf(token: string): string[] {
    return this.calls.filter((call) => call.token === token).map(({ method }) => method);
  }

  async #fetch(request: Request): Promise<Response> {
    const [, token = '', method = ''] = /\/bot([^/]+)\/(\w+)$/.exec(request.url) ?? [];
    const { params, files } = await read(request);
    this.calls.push({ token, method, params, files });
    await this.#gate;
    const index = this.mishaps.findIndex((found) => found.method === method);
    const mishap = index < 0 ? null : this.mishaps.splice(index, 1)[0]!.mishap;
    if (mishap === 'lost_before') throw new TypeError('connection lost');
    if (mishap !== null && typeof mishap === 'object') return refuse(mishap);
    const answer = this.#do(method, params, files);
    if (mishap === 'lost_after') throw new TypeError('connection lost');
    return answer;
  }

  #do(method: string, params: Record<string, unknown>, files: readonly string[]): Response {
    const chatId = String(params['chat_id']);
    const key = `${chatId}:${String(params['message_id'])}`;
    const message = this.messages.get(key);
    switch (method) {
      case 'sendMessage':
      case 'sendVoice':
      case 'sendMediaGroup':
        return this.#send(params, files);
      case 'getChatMember': {
        const isAdmin = this.admins.has(String(params['user_id']));
        return accept({ status: isAdmin ? 'administrator' : 'member' });
      }
      case 'deleteMessages': {
        const ids = params['message_ids'] as readonly number[];
        for (const id of ids) this.messages.delete(`${chatId}:${id}`);
        return accept(true);
      }
      case 'deleteMessage':
        if (!this.messages.delete(key)) return missing('delete');
        return accept(true);
      default: {
        if (!message) return missing('edit');
        const text = textOf(params);
        const file = files[0] ?? message.file;
        if (message.text === text && message.file === file) {
          return refuse({ status: 400, description: 'Bad Request: message is not modified' });
        }
        Object.assign(message, { text, file });
        return accept({ message_id: Number(params['message_id']) });
      }
    }
  }

  #send(params: Record<string, unknown>, files: readonly string[]): Response {
    const shown = files.length === 0 ? [null] : files;
    const ids = shown.map((file) => {
      const id = this.#nextId;
      this.#nextId += 1;
      const replyTo = params['reply_parameters'];
      this.messages.set(`${String(params['chat_id'])}:${id}`, {
        text: textOf(params),
        file,
        replyTo,
      });
      return { message_id: id };
    });
    return accept(ids.length === 1 ? ids[0] : ids);
  }
}

function textOf(params: Record<string, unknown>): string {
  const { text, caption, media } = params as {
    text?: string;
    caption?: string;
    media?: { caption?: string };
  };
  return text ?? caption ?? media?.caption ?? '';
}

async function read(
  request: Request,
): Promise<{ params: Record<string, unknown>; files: string[] }> {
  if (request.headers.get('content-type')?.startsWith('multipart/') !== true) {
    return { params: await request.json(), files: [] };
  }
  const params: Record<string, unknown> = {};
  const files: string[] = [];
  for (const [name, value] of await request.formData()) {
    if (typeof value === 'string') params[name] = value.startsWith('{') ? JSON.parse(value) : value;
    else files.push(await value.text());
  }
  return { params, files };
}

function accept(result: unknown): Response {
  return Response.json({ ok: true, result });
}

function missing(what: string): Response {
  return refuse({ status: 400, description: `Bad Request: message to ${what} not found` });
}

function refuse(mishap: Exclude<Mishap, string>): Response {
  const { status, description, retryAfterS, movedTo } = mishap;
  const parameters = {
    ...(retryAfterS === undefined ? {} : { retry_after: retryAfterS }),
    ...(movedTo === undefined ? {} : { migrate_to_chat_id: movedTo }),
  };
  const body = { ok: false, error_code: status, description, parameters };
  return Response.json(body, { status });
}
