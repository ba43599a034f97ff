/**
 * The thread of a ComfyUI that runs prompts, one at a time: the order of its events, its cache of
 * node results, its interrupt flag, and its history, as seen on the real one. What happens in a
 * run is the script's: where it waits, what it throws. Files are real ones.
 */
import { readFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import sharp from 'sharp';
import { ancestors, isLink } from './rules.ts';
import type { Prompt } from './rules.ts';

export interface Queued {
  readonly number: number;
  readonly id: string;
  readonly prompt: Prompt;
  readonly clientId: string | null;
  readonly outputs: readonly string[];
}

/** What a test decides about runs. Each is asked at its moment. */
export interface Script {
  /** Awaited before each step of a sampler. */
  step?: (step: number, job: Queued) => Promise<void> | void;
  /** Exception that a node throws; null for none. */
  fail?: (className: string, job: Queued) => { type: string; message: string } | null;
  /** Whether previews are sent. */
  previews?: boolean;
  /** Bytes of a file in place of the real ones. */
  spoil?: (name: string) => Uint8Array | null;
}

export interface WorkerParts {
  readonly script: Script;
  readonly uploads: ReadonlyMap<string, Uint8Array>;
  readonly send: (clientId: string | null, type: string, data: object) => void;
  readonly sendPreview: (clientId: string | null, promptId: string, jpeg: Uint8Array) => void;
  /** Something of the queue changed. */
  readonly changed: () => void;
}

type Message = [string, Record<string, unknown>];

class Stop extends Error {}

const MEDIA = { SaveVideo: 'clip.mp4', SaveAudio: 'tone.flac', SaveAudioMP3: 'tone.mp3' } as const;

export class Worker {
  readonly #parts: WorkerParts;
  readonly pending: Queued[] = [];
  readonly history = new Map<string, object>();
  readonly files = new Map<string, Uint8Array>();
  /** What nodes made, by what they were given: `/free` forgets it. */
  readonly cache = new Map<string, object | null>();
  running: Queued | null = null;
  interrupted = false;
  #dead = false;
  #busy = false;

  constructor(parts: WorkerParts) {
    this.#parts = parts;
  }

  put(job: Queued): void {
    this.pending.push(job);
    this.#parts.changed();
    if (!this.#busy) void this.#work();
  }

  /** The process is killed: nothing more is said, done or remembered. */
  die(): void {
    this.#dead = true;
    this.pending.length = 0;
    this.running = null;
  }

  async #work(): Promise<void> {
    this.#busy = true;
    for (let job = this.pending.shift(); job && !this.#dead; job = this.pending.shift()) {
      this.running = job;
      this.#parts.changed();
      await this.#execute(job);
      this.running = null;
    }
    this.#busy = false;
  }

  async #execute(job: Queued): Promise<void> {
    const { send, changed } = this.#parts;
    const { id, prompt, clientId } = job;
    // What an interrupt meant for the one before had set.
    this.interrupted = false;
    const messages: Message[] = [];
    const say = (type: string, data: object, all = false): void => {
      const message = { ...data, prompt_id: id, timestamp: 1 };
      messages.push([type, message]);
      if (!this.#dead && (clientId !== null || all)) send(all ? null : clientId, type, message);
    };
    say('execution_start', {});
    const order = job.outputs.flatMap((output) => ancestors(prompt, output));
    const nodes = [...new Set(order)];
    const cached = nodes.filter((node) => this.cache.has(signatureOf(prompt, node)));
    say('execution_cached', { nodes: cached });
    const outputs: Record<string, object> = {};
    let at = '';
    try {
      for (const node of nodes) {
        at = node;
        const signature = signatureOf(prompt, node);
        if (!this.cache.has(signature)) {
          if (!this.#dead) send(clientId, 'executing', { node, display_node: node, prompt_id: id });
          this.cache.set(signature, await this.#runNode(job, node));
        }
        const made = this.cache.get(signature);
        if (!made) continue;
        outputs[node] = made;
        if (this.#dead) return;
        send(clientId, 'executed', { node, display_node: node, output: made, prompt_id: id });
      }
      say('execution_success', {});
    } catch (error) {
      const executed = nodes.slice(0, nodes.indexOf(at));
      const where = { node_id: at, node_type: prompt[at]!.class_type, executed };
      if (error instanceof Stop) say('execution_interrupted', where, true);
      else {
        const { type, message } = (error as { cause: { type: string; message: string } }).cause;
        const told = { exception_type: type, exception_message: message, traceback: [] };
        say('execution_error', { ...where, ...told, current_inputs: {}, current_outputs: [] });
      }
    }
    if (this.#dead) return;
    const completed = messages.at(-1)![0] === 'execution_success';
    const status = { status_str: completed ? 'success' : 'error', completed, messages };
    const { number } = job;
    const entry = { prompt: [number, id, prompt, {}, job.outputs], outputs, status, meta: {} };
    this.running = null;
    this.history.set(id, entry);
    changed();
    send(clientId, 'executing', { node: null, prompt_id: id });
  }

  async #runNode(job: Queued, node: string): Promise<object | null> {
    const { script } = this.#parts;
    const { class_type, inputs } = job.prompt[node]!;
    if (this.interrupted) throw new Stop();
    const failure = script.fail?.(class_type, job);
    if (failure) throw new Error('a node threw', { cause: failure });
    if (/Sampler(Custom.*)?$/.test(class_type)) await this.#sample(job, node);
    if (class_type === 'LoadImage') await this.#load(String(inputs['image']));
    if (class_type === 'SaveImage') return { images: await this.#saveImages(job, inputs) };
    if (class_type in MEDIA) {
      const file = MEDIA[class_type as keyof typeof MEDIA];
      const bytes = readFileSync(new URL(`./${file}`, import.meta.url));
      const item = this.#keep(inputs, file.split('.')[1]!, bytes);
      return class_type === 'SaveVideo' ? { images: [item], animated: [true] } : { audio: [item] };
    }
    return null;
  }

  async #load(name: string): Promise<void> {
    try {
      await sharp(this.#parts.uploads.get(name)).metadata();
    } catch {
      const type = 'PIL.UnidentifiedImageError';
      throw new Error('a node threw', { cause: { type, message: 'cannot identify image file' } });
    }
  }

  async #sample(job: Queued, node: string): Promise<void> {
    const { script, send, sendPreview } = this.#parts;
    const max = stepsOf(job.prompt, node);
    for (let value = 1; value <= max; value++) {
      // Each step is a turn of the loop at least, so that calls come in between.
      await new Promise(setImmediate);
      await script.step?.(value, job);
      if (this.#dead || this.interrupted) throw new Stop();
      send(job.clientId, 'progress', { value, max, prompt_id: job.id, node });
      if (!script.previews) continue;
      const create = { width: 32, height: 32, channels: 3 as const, background: '#204060' };
      const jpeg = await sharp({ create }).jpeg().toBuffer();
      sendPreview(job.clientId, job.id, jpeg);
    }
  }

  async #saveImages(
    { prompt }: Queued,
    inputs: Readonly<Record<string, unknown>>,
  ): Promise<object[]> {
    const { width, height, count } = pictureOf(prompt, inputs);
    const items: object[] = [];
    for (let index = 0; index < count; index++) {
      const background = { r: 40 * index, g: 90, b: 160 };
      const picture = sharp({ create: { width, height, channels: 3, background } });
      const png = await picture.png().toBuffer();
      const text = `prompt\0${JSON.stringify(prompt)}`;
      items.push(this.#keep(inputs, 'png', withText(png, text)));
    }
    return items;
  }

  #keep(inputs: Readonly<Record<string, unknown>>, kind: string, bytes: Uint8Array): object {
    const prefix = String(inputs['filename_prefix']);
    const slash = prefix.lastIndexOf('/');
    const subfolder = slash < 0 ? '' : prefix.slice(0, slash);
    let counter = 1;
    const nameOf = () => `${prefix.slice(slash + 1)}_${String(counter).padStart(5, '0')}_.${kind}`;
    while (this.files.has(`${subfolder}/${nameOf()}`)) counter++;
    const filename = nameOf();
    this.files.set(`${subfolder}/${filename}`, this.#parts.script.spoil?.(filename) ?? bytes);
    return { filename, subfolder, type: 'output' };
  }
}

/** What a node and all before it are given; equal ones are never run twice. */
function signatureOf(prompt: Prompt, node: string): string {
  const { class_type, inputs } = prompt[node]!;
  const given = Object.entries(inputs).map(([name, value]) => [
    name,
    isLink(value) ? [signatureOf(prompt, value[0]), value[1]] : value,
  ]);
  return JSON.stringify([class_type, given]);
}

function stepsOf(prompt: Prompt, node: string): number {
  const steps = ancestors(prompt, node).map((id) => prompt[id]!.inputs['steps']);
  return steps.find((one) => typeof one === 'number') ?? 1;
}

/** The size and count of what comes out: of the last node before that says so. */
function pictureOf(prompt: Prompt, inputs: Readonly<Record<string, unknown>>) {
  const [link] = Object.values(inputs).filter(isLink);
  const before = ancestors(prompt, link![0]).map((id) => prompt[id]!);
  const sized = before.findLast(({ inputs: { width } }) => typeof width === 'number');
  const counted = before.map(({ inputs: all }) => all['batch_size'] ?? all['amount']);
  const single = before.some(({ class_type }) => class_type === 'ImageFromBatch');
  const count = single ? 1 : Number(counted.find((one) => typeof one === 'number') ?? 1);
  const known = { width: 64, height: 64, ...sized?.inputs };
  return { width: known.width, height: known.height, count };
}

/** Puts a tEXt chunk behind the header, as ComfyUI does with the whole graph. */
function withText(png: Buffer, text: string): Uint8Array {
  const body = Buffer.from(`tEXt${text}`, 'latin1');
  const chunk = Buffer.alloc(body.length + 8);
  chunk.writeUInt32BE(body.length - 4, 0);
  body.copy(chunk, 4);
  chunk.writeUInt32BE(crc32(body), body.length + 4);
  return Buffer.concat([png.subarray(0, 33), chunk, png.subarray(33)]);
}
