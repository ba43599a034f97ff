/**
 * ComfyUI's HTTP interface on kept-alive connections. Every call has a signal and a time limit,
 * every answer is bounded and parsed. Sends no Origin header: a server on loopback refuses one
 * that is not its own. Repeats nothing, and knows nothing of jobs.
 */
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { Agent, FormData, request } from 'undici';
import type { Dispatcher } from 'undici';
import { z } from 'zod';
import { PromptAnswer } from './failure.ts';
import { HistoryEntry } from './frame.ts';
import type { ComfyFile } from './frame.ts';
import { ANSWER_BYTES_MAX, FILE_BYTES_MAX } from './limits.ts';
import type { Pace } from './limits.ts';

/** The server could not be asked, or what it said cannot be read. */
export class ServerAway extends Error {
  /** Nothing listens: the process is gone, and with it its queue and history. */
  readonly gone: boolean;

  constructor(detail: string, gone: boolean) {
    super(detail);
    this.name = 'ServerAway';
    this.gone = gone;
  }
}

const QueueItem = z.tuple([z.unknown(), z.string()]).rest(z.unknown());
const Queue = z.object({
  queue_running: z.array(QueueItem),
  queue_pending: z.array(QueueItem),
});
const Stats = z.object({
  system: z.object({ comfyui_version: z.string().catch('unknown') }),
  devices: z.array(
    z.object({
      name: z.string().catch(''),
      type: z.string().catch(''),
      vram_free: z.number().catch(0),
    }),
  ),
});
const NodeInfo = z.object({
  input: z.object({
    required: z.record(z.string(), z.unknown()).catch({}),
    optional: z.record(z.string(), z.unknown()).catch({}),
  }),
});
export type NodeInfo = z.infer<typeof NodeInfo>;
const Uploaded = z.object({ name: z.string().min(1), subfolder: z.string().catch('') });

/** What runs: nodes by their ids. */
export type Graph = Readonly<
  Record<
    string,
    { readonly class_type: string; readonly inputs: Readonly<Record<string, unknown>> }
  >
>;

interface Call {
  readonly method?: 'GET' | 'POST';
  readonly body?: object;
  readonly signal: AbortSignal;
}

export class ComfyServer {
  readonly url: URL;
  readonly #pace: Pace;
  readonly #agent = new Agent({ connections: 8 });

  constructor(url: URL, pace: Pace) {
    this.url = url;
    this.#pace = pace;
  }

  get dispatcher(): Dispatcher {
    return this.#agent;
  }

  /** Queues a graph under an id of ours; its refusals are answers too. */
  async submit(
    prompt: { graph: Graph; promptId: string; clientId: string },
    signal: AbortSignal,
  ): Promise<{ status: number; answer: PromptAnswer | null }> {
    const { graph, promptId, clientId } = prompt;
    const body = {
      prompt: graph,
      prompt_id: promptId,
      client_id: clientId,
      // Newer servers make previews when asked; others have their own setting.
      extra_data: { preview_method: 'latent2rgb' },
    };
    const { status, json } = await this.#ask('/prompt', { method: 'POST', body, signal });
    return { status, answer: PromptAnswer.safeParse(json).data ?? null };
  }

  /** Its entry of the history; null while it is not over, or unknown. */
  async history(promptId: string, signal: AbortSignal): Promise<HistoryEntry | null> {
    const json = await this.#get(`/history/${promptId}`, signal);
    return read(z.record(z.string(), HistoryEntry), json)[promptId] ?? null;
  }

  async forget(promptId: string, signal: AbortSignal): Promise<void> {
    await this.#post('/history', { delete: [promptId] }, signal);
  }

  /** Where a prompt stands in the queue. */
  async whereIs(promptId: string, signal: AbortSignal): Promise<'running' | 'pending' | 'nowhere'> {
    const queue = read(Queue, await this.#get('/queue', signal));
    const holds = (items: readonly (readonly unknown[])[]): boolean =>
      items.some((item) => item[1] === promptId);
    if (holds(queue.queue_running)) return 'running';
    return holds(queue.queue_pending) ? 'pending' : 'nowhere';
  }

  /** Takes a prompt out of the queue, then stops it if it runs: in this order none slips by. */
  async cancel(promptId: string, signal: AbortSignal): Promise<void> {
    await this.#post('/queue', { delete: [promptId] }, signal);
    await this.#post('/interrupt', { prompt_id: promptId }, signal);
  }

  /** Asks for all memory back; done after the current prompt. */
  async free(signal: AbortSignal): Promise<void> {
    await this.#post('/free', { unload_models: true, free_memory: true }, signal);
  }

  async stats(signal: AbortSignal): Promise<z.infer<typeof Stats>> {
    return read(Stats, await this.#get('/system_stats', signal));
  }

  /** What KoboldCPP says of itself: it plays ComfyUI's part in almost all other calls. */
  async isImitation(signal: AbortSignal): Promise<boolean> {
    const { status, json } = await this.#ask('/api/extra/version', { signal });
    return status === 200 && z.object({ result: z.string() }).safeParse(json).success;
  }

  /** A node's schema; null for a class that is not installed. */
  async nodeInfo(className: string, signal: AbortSignal): Promise<NodeInfo | null> {
    const json = await this.#get(`/object_info/${encodeURIComponent(className)}`, signal);
    const info = read(z.record(z.string(), z.unknown()), json)[className];
    return NodeInfo.safeParse(info).data ?? null;
  }

  /** Puts a file among the inputs; answers the name that a node knows it by. */
  async upload(
    file: { readonly bytes: Uint8Array; readonly name: string },
    signal: AbortSignal,
  ): Promise<string> {
    const form = new FormData();
    form.set('image', new Blob([Buffer.from(file.bytes)], { type: 'image/png' }), file.name);
    form.set('overwrite', 'true');
    form.set('type', 'input');
    const answer = await this.#send('/upload/image', { method: 'POST', body: form }, signal);
    const { name, subfolder } = read(Uploaded, await readJson(answer));
    return subfolder === '' ? name : `${subfolder}/${name}`;
  }

  /** Copies a file that a node wrote to `path`; answers its bytes, null when it is gone. */
  async view(file: ComfyFile, path: string, signal: AbortSignal): Promise<number | null> {
    const answer = await this.#send(`/view?${new URLSearchParams(file).toString()}`, {}, signal);
    if (answer.statusCode !== 200) {
      await answer.body.dump();
      return null;
    }
    let bytes = 0;
    try {
      await pipeline(
        answer.body,
        async function* bounded(chunks: AsyncIterable<Buffer>) {
          for await (const chunk of chunks) {
            bytes += chunk.length;
            if (bytes > FILE_BYTES_MAX) throw new ServerAway('a file beyond all bounds', false);
            yield chunk;
          }
        },
        createWriteStream(path, { mode: 0o600 }),
        { signal },
      );
    } catch (error) {
      throw toAway('/view', error, signal);
    }
    return bytes;
  }

  close(): Promise<void> {
    return this.#agent.destroy();
  }

  async #get(path: string, signal: AbortSignal): Promise<unknown> {
    const { status, json } = await this.#ask(path, { signal });
    if (status !== 200) throw new ServerAway(`GET ${path} was answered ${status}`, false);
    return json;
  }

  async #post(path: string, body: object, signal: AbortSignal): Promise<void> {
    const { status } = await this.#ask(path, { method: 'POST', body, signal });
    if (status !== 200) throw new ServerAway(`POST ${path} was answered ${status}`, false);
  }

  async #ask(
    path: string,
    { method = 'GET', body, signal }: Call,
  ): Promise<{ status: number; json: unknown }> {
    const within = AbortSignal.any([signal, AbortSignal.timeout(this.#pace.callMs)]);
    const options = body
      ? { method, body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
      : { method };
    try {
      const answer = await request(new URL(path, this.url), {
        ...options,
        signal: within,
        dispatcher: this.#agent,
      });
      return { status: answer.statusCode, json: await readJson(answer) };
    } catch (error) {
      throw toAway(path, error, signal);
    }
  }

  /** A call that moves a file. */
  async #send(
    path: string,
    options: { method?: 'POST'; body?: FormData },
    signal: AbortSignal,
  ): Promise<Dispatcher.ResponseData> {
    const within = AbortSignal.any([signal, AbortSignal.timeout(this.#pace.fileMs)]);
    try {
      const dispatcher = this.#agent;
      return await request(new URL(path, this.url), { ...options, signal: within, dispatcher });
    } catch (error) {
      throw toAway(path, error, signal);
    }
  }
}

/** What an answer says; one that says something else is as good as none. */
function read<T>(schema: z.ZodType<T>, json: unknown): T {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new ServerAway(`an answer that cannot be read: ${parsed.error.message}`, false);
}

/** Bounded; what is no JSON becomes null. */
async function readJson(answer: Dispatcher.ResponseData): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) throw new ServerAway('an answer beyond all bounds', false);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    return null;
  }
}

function toAway(path: string, error: unknown, signal: AbortSignal): Error {
  if (signal.aborted) return signal.reason as Error;
  if (error instanceof ServerAway) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  return new ServerAway(`${path}: ${code ?? ''} ${message}`, code === 'ECONNREFUSED');
}
