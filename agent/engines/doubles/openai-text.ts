/**
 * Text servers of the OpenAI shape as they were seen to behave: llama.cpp (a null content first,
 * usage in an event without choices, a refusal with its count when the prompt is too long, JSON
 * only where a schema asks for it), vLLM and Ollama. Tokens are words.
 */
import type { ServerResponse } from 'node:http';
import { countWords, HttpDouble, reply, replyText } from './http-double.ts';
import type { Asked } from './http-double.ts';
import { newScript, play } from './text-script.ts';
import type { Frame, Script } from './text-script.ts';

const JSON_PIECES = ['{', '"cat"', ':', ' 1', '}'];

interface Message {
  readonly role: string;
  readonly content: string;
}

export class OpenaiTextDouble extends HttpDouble {
  script: Script = newScript();
  kind: 'llamacpp' | 'vllm' | 'library' = 'llamacpp';
  models = ['qwen2.5:7b', 'other'];
  key: string | null = null;
  contextTokens = 100;
  /** Answers the next generation with this instead. */
  refusal: { readonly status: number; readonly body: string } | null = null;
  /** Thoughts before the answer. */
  thoughts = 0;
  usage = true;
  sent = 0;
  readonly unloaded: string[] = [];

  protected answer(asked: Asked, response: ServerResponse): void | Promise<void> {
    if (this.key !== null && asked.key !== this.key) {
      return reply(response, { error: { message: 'Invalid API Key', code: 401 } }, 401);
    }
    const { json } = asked;
    switch (`${this.kind} ${asked.path}`) {
      case 'llamacpp /props':
        return reply(response, { default_generation_settings: { n_ctx: this.contextTokens } });
      case 'llamacpp /apply-template':
        return reply(response, { prompt: promptOf(json) });
      case 'llamacpp /tokenize':
        return reply(response, { tokens: String(json['content']).split(/\s+/).filter(Boolean) });
      case 'vllm /tokenize':
        return reply(response, { count: countWords(promptOf(json)), tokens: [] });
      case 'library /api/generate':
        if (json['keep_alive'] === 0) this.unloaded.push(String(json['model']));
        return reply(response, { done: true, done_reason: 'unload' });
    }
    switch (asked.path) {
      case '/v1/models':
        return reply(response, { object: 'list', data: this.models.map((id) => this.#entry(id)) });
      case '/v1/chat/completions':
      case '/v1/completions':
        return this.#generate(asked, response);
      default:
        return replyText(response, 404, 'File Not Found');
    }
  }

  /** Whether it keeps an answer to JSON; llama.cpp has one field for chats, one for prompts. */
  #isJson({ json, path }: Asked): boolean {
    const format = json['response_format'] as { type: string; schema?: object } | undefined;
    const isAsked = format?.type === 'json_object';
    if (this.kind !== 'llamacpp') return isAsked;
    return path.includes('chat')
      ? isAsked && 'type' in (format.schema ?? {})
      : 'json_schema' in json;
  }

  #entry(id: string): object {
    const length = this.kind === 'vllm' ? { max_model_len: this.contextTokens } : {};
    return { id, object: 'model', owned_by: this.kind, ...length };
  }

  async #generate(asked: Asked, response: ServerResponse): Promise<void> {
    const { refusal } = this;
    if (refusal) {
      this.refusal = null;
      return replyText(response, refusal.status, refusal.body);
    }
    const promptTokens = countWords(promptOf(asked.json));
    if (promptTokens > this.contextTokens) {
      const message = `request (${promptTokens} tokens) exceeds the available context size (${this.contextTokens} tokens), try increasing it`;
      return reply(
        response,
        { error: { code: 400, message, type: 'exceed_context_size_error' } },
        400,
      );
    }
    const script = this.#isJson(asked) ? { ...this.script, pieces: JSON_PIECES } : this.script;
    const tokens = { prompt_tokens: promptTokens, completion_tokens: script.pieces.length };
    const usage = `data: ${JSON.stringify({ choices: [], usage: tokens })}\n\n`;
    const frame = asked.path.includes('chat') ? CHAT : PLAIN;
    const tail = `${this.usage ? usage : ''}data: [DONE]\n\n`;
    const thought = event({ delta: { reasoning_content: 'hm' } });
    const opening = CHAT === frame ? event({ delta: { role: 'assistant', content: null } }) : '';
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(opening + thought.repeat(this.thoughts));
    this.sent = await play(script, { ...frame, tail }, { asked, response });
    this.changed();
  }
}

function promptOf(json: Record<string, unknown>): string {
  const messages = json['messages'] as Message[] | undefined;
  if (!messages) return String(json['prompt']);
  return messages.map(({ role, content }) => `<s> ${role} </s> ${content}`).join(' ');
}

function event(choice: object): string {
  return `data: ${JSON.stringify({ choices: [{ index: 0, finish_reason: null, ...choice }] })}\n\n`;
}

const ERROR = `data: ${JSON.stringify({ error: { code: 500, message: 'ggml: failed to allocate buffer' } })}\n\n`;
const CHAT: Frame = {
  piece: (content) => event({ delta: { content } }),
  finish: (reason) => event({ delta: {}, finish_reason: reason }),
  tail: '',
  error: ERROR,
};
const PLAIN: Frame = {
  piece: (text) => event({ text }),
  finish: (reason) => event({ text: '', finish_reason: reason }),
  tail: '',
  error: ERROR,
};
