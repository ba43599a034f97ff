/**
 * KoboldCPP as it was seen to behave: events without an end, stop sequences told as `length`,
 * failures with 200, a model swap with its gap, an initial configuration that comes back when a
 * load fails. Tokens are words. Swaps advance with every request instead of with time.
 */
import type { ServerResponse } from 'node:http';
import { countWords, HttpDouble, reply } from './http-double.ts';
import type { Asked } from './http-double.ts';
import { newScript, play } from './text-script.ts';
import type { Frame, Script } from './text-script.ts';

interface Message {
  readonly role: string;
  readonly content: string;
}

/** Words that its template adds to each message. */
export const TEMPLATE_WORDS = 3;

export class KoboldDouble extends HttpDouble {
  script: Script = newScript();
  initial = 'first-7b';
  model = 'first-7b';
  /** Files of the admin folder, and the model that each loads; null: a broken file. */
  files: Record<string, string | null> = { 'second.gguf': 'second', 'broken.gguf': null };
  admin = true;
  key: string | null = null;
  adminKey: string | null = null;
  contextTokens = 100;
  /** Refuses the next generations as a full queue does. */
  busy = 0;
  /** Versions before 1.9x do not count chats. */
  countsChats = true;
  /** Why the last generation stopped: below zero it failed. */
  stopReason = -1;
  /** Is killed in the middle of the next generation; its stream ends as after an answer. */
  killed = false;
  /** Ends for good at the next swap. */
  dies = false;
  readonly aborted: string[] = [];
  /** Pieces that the last generation sent. */
  sent = 0;
  #next: { readonly model: string; answers: number } | null = null;

  protected answer(asked: Asked, response: ServerResponse): void | Promise<void> {
    if (this.#swaps()) {
      response.destroy();
      return;
    }
    const { method, path } = asked;
    switch (`${method} ${path}`) {
      case 'GET /api/extra/version':
        return reply(response, { result: 'KoboldCpp', version: '1.115.1', llm: this.#isUp() });
      case 'GET /api/v1/model':
        return reply(response, { result: this.#shownModel(asked) });
      case 'GET /api/extra/true_max_context_length':
        return reply(response, { value: this.contextTokens });
      case 'GET /api/extra/perf':
        return reply(response, { idle: 1, stop_reason: this.stopReason, queue: 0 });
      case 'GET /api/admin/list_options':
        return reply(response, this.#mayAdmin(asked) ? this.#options() : []);
      case 'POST /api/admin/reload_config':
        return this.#reload(asked, response);
      default:
        if (this.key !== null && asked.key !== this.key) {
          return reply(response, { detail: { type: 'unauthorized' } }, 401);
        }
        return this.#work(asked, response);
    }
  }

  #work(asked: Asked, response: ServerResponse): void | Promise<void> {
    switch (asked.path) {
      case '/api/extra/tokencount':
        return this.#count(asked, response);
      case '/api/extra/abort':
        this.aborted.push(String(asked.json['genkey']));
        this.changed();
        return reply(response, { success: 'true', done: 'true' });
      case '/api/extra/generate/stream':
      case '/v1/chat/completions':
        return this.#generate(asked, response);
      default:
        return reply(response, { detail: { type: 'not_found' } }, 404);
    }
  }

  async #generate(asked: Asked, response: ServerResponse): Promise<void> {
    if (this.busy > 0) {
      this.busy--;
      return reply(response, { detail: { type: 'service_unavailable' } }, 503);
    }
    const isChat = asked.path.startsWith('/v1');
    // As its HTTP/1.0: no length and no chunks, the end of the connection is the end.
    response.useChunkedEncodingByDefault = false;
    response.shouldKeepAlive = false;
    const script = this.#isUp() ? this.script : { ...newScript(), pieces: [], finish: 'error' };
    const frame = isChat ? CHAT : NATIVE;
    if (this.killed) {
      this.refusals = Infinity;
      Object.assign(script, { trouble: 'no_finish', at: 3 });
    }
    this.sent = await play(script, frame, { asked, response });
    this.changed();
  }

  #count({ json }: Asked, response: ServerResponse): void {
    const messages = this.countsChats ? (json['messages'] as Message[] | undefined) : undefined;
    const prompt =
      messages?.map(({ role, content }) => `<s> ${role} </s> ${content}`).join(' ') ??
      String((json['prompt'] as string | undefined) ?? '');
    reply(response, { value: countWords(prompt), ids: [], ...(messages ? { prompt } : {}) });
  }

  #isUp(): boolean {
    return this.model !== 'inactive';
  }

  #shownModel(asked: Asked): string {
    if (!this.#isUp()) return 'inactive';
    const secret = this.key !== null && asked.key !== this.key;
    return `koboldcpp/${secret ? 'protected-model' : this.model}`;
  }

  #mayAdmin(asked: Asked): boolean {
    return this.admin && (this.adminKey === null || asked.key === this.adminKey);
  }

  #options(): string[] {
    return [...Object.keys(this.files), 'initial_model', 'unload_model'];
  }

  #reload(asked: Asked, response: ServerResponse): void {
    const file = String(asked.json['filename']);
    const isThere = this.#mayAdmin(asked) && this.#options().includes(file);
    if (isThere) this.#next = { model: this.#loads(file), answers: 2 };
    reply(response, { success: isThere });
  }

  #loads(file: string): string {
    if (file === 'unload_model') return 'inactive';
    if (file === 'initial_model') return this.initial;
    return this.files[file] ?? this.initial;
  }

  /** The old process answers twice more; then nobody, three times; then the new one. */
  #swaps(): boolean {
    if (!this.#next || this.#next.answers-- > 0) return false;
    this.model = this.#next.model;
    this.#next = null;
    this.refusals = this.dies ? Infinity : 2;
    return true;
  }
}

const NATIVE: Frame = {
  piece: (token) => `event: message\ndata: ${JSON.stringify({ token, finish_reason: null })}\n\n`,
  finish: (reason) =>
    `event: message\ndata: ${JSON.stringify({ token: '', finish_reason: reason })}\n\n`,
  tail: '',
  error: '',
};

function chunk(content: string, reason: string | null): string {
  const choice = { index: 0, finish_reason: reason, delta: { role: 'assistant', content } };
  return `data: ${JSON.stringify({ id: 'koboldcpp', choices: [choice] })}\n\n`;
}

const CHAT: Frame = {
  piece: (text) => chunk(text, null),
  finish: (reason) => chunk('', reason),
  tail: 'data: [DONE]\n\n',
  error: '',
};
