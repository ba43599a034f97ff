/**
 * Which server answers at an address: each is known by what it alone says of itself, since they
 * share ports and much of the OpenAI API (KoboldCPP even plays ComfyUI and Ollama). Only asks;
 * changes nothing there.
 */
import { fetch } from 'undici';
import { z } from 'zod';
import { DISPATCHER } from '../dispatcher.ts';
import type { ProcessName } from '../process/settings.ts';

/** A server of a known make, and the engines' settings that its address may stand in. */
export interface Identity {
  readonly product: string;
  readonly serves: readonly ProcessName[];
}

/** `stranger`: somebody answers, but as none of those known here; `nobody`: nobody does in time. */
export type Identified = Identity | 'stranger' | 'nobody';

/** Of an answer that is looked at; a page or an API's description may be larger than any list. */
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;

const Kobold = z.object({ result: z.literal('KoboldCpp'), tts: z.boolean().default(false) });
const ComfyStats = z.object({
  system: z.object({ python_version: z.string() }),
  devices: z.array(z.unknown()),
});
const Listed = z.object({
  data: z.array(
    z.object({ id: z.string(), owned_by: z.string().nullish(), task: z.string().nullish() }),
  ),
});
const LmStudio = z.object({
  data: z.array(z.object({ type: z.string(), compatibility_type: z.string() })).min(1),
});
const Described = z.object({ info: z.object({ title: z.string() }) });
const Props = z.object({ default_generation_settings: z.record(z.string(), z.unknown()) });

const SPEACHES: Identity = { product: 'speaches', serves: ['speech', 'whisper'] };
const KOKORO: Identity = { product: 'Kokoro-FastAPI', serves: ['speech'] };
const WHISPER_CPP: Identity = { product: 'whisper.cpp', serves: ['whisper'] };
/** What makers call themselves as owners of their models. */
const OWNERS: Readonly<Record<string, string>> = {
  llamacpp: 'llama.cpp',
  vllm: 'vLLM',
  sglang: 'SGLang',
  library: 'Ollama',
};
/** What speaches can do with a model. */
const TASKS: Readonly<Record<string, ProcessName>> = {
  'automatic-speech-recognition': 'whisper',
  'text-to-speech': 'speech',
};
const TITLES: Readonly<Record<string, Identity>> = { Speaches: SPEACHES, 'Kokoro TTS API': KOKORO };

interface Where {
  readonly url: URL;
  readonly key: string | null;
  readonly signal: AbortSignal;
}

/** Asks one thing after the other until the server is known. */
export async function identify(where: Where): Promise<Identified> {
  const page = await ask(where, '/');
  if (page === null) return 'nobody';
  // Set on every answer, also when the operator has put a page of his own there.
  const isWhisper = page.server === 'whisper.cpp' || page.text.includes('Whisper.cpp Server');
  if (isWhisper) return WHISPER_CPP;
  // Before all others: it says what they say, too.
  const kobold = Kobold.safeParse(await json(where, '/api/extra/version'));
  if (kobold.success) return koboldOf(kobold.data);
  if (ComfyStats.safeParse(await json(where, '/system_stats')).success) {
    return { product: 'ComfyUI', serves: ['comfyui'] };
  }
  if (page.text.trim() === 'Ollama is running') return { product: 'Ollama', serves: ['text'] };
  const listed = Listed.safeParse(await json(where, '/v1/models'));
  const lister = listed.success ? listerOf(listed.data.data) : null;
  if (lister) return lister;
  if (LmStudio.safeParse(await json(where, '/api/v0/models')).success) {
    return { product: 'LM Studio', serves: ['text'] };
  }
  // Open also where the rest wants a key, and there before any model is installed.
  const described = Described.safeParse(await json(where, '/openapi.json'));
  const named = described.success ? TITLES[described.data.info.title] : undefined;
  if (named) return named;
  const isLlama = Props.safeParse(await json(where, '/props')).success;
  return isLlama ? { product: 'llama.cpp', serves: ['text'] } : 'stranger';
}

function koboldOf({ tts }: z.infer<typeof Kobold>): Identity {
  return { product: 'KoboldCPP', serves: tts ? ['koboldcpp', 'speech'] : ['koboldcpp'] };
}

/** By what a list of models says beside their names. */
function listerOf(models: z.infer<typeof Listed>['data']): Identity | null {
  const tasks = [...new Set(models.flatMap(({ task }) => TASKS[task ?? ''] ?? []))];
  if (tasks.length > 0) return { ...SPEACHES, serves: tasks };
  const owners = new Set(models.map(({ owned_by: owner }) => owner ?? ''));
  if (owners.has('kokoro')) return KOKORO;
  const [product] = Object.entries(OWNERS).flatMap(([owner, name]) =>
    owners.has(owner) ? [name] : [],
  );
  if (product === undefined) return null;
  // vLLM serves one model, of whatever kind.
  const isWhisper = models.every(({ id }) => /whisper/i.test(id));
  return { product, serves: [isWhisper ? 'whisper' : 'text'] };
}

interface Answer {
  readonly status: number;
  readonly server: string;
  readonly text: string;
}

/** Null when there is no answer. */
async function ask({ url, key, signal }: Where, path: string): Promise<Answer | null> {
  const address = url.href.replace(/\/+$/, '') + path;
  const headers = key === null ? {} : { authorization: `Bearer ${key}` };
  try {
    const response = await fetch(address, {
      headers,
      signal,
      redirect: 'manual',
      dispatcher: DISPATCHER,
    });
    const parts: Uint8Array[] = [];
    let bytes = 0;
    for await (const part of response.body ?? []) {
      bytes += part.length;
      parts.push(part);
      // What is larger, is none of what is looked for.
      if (bytes > ANSWER_BYTES_MAX) break;
    }
    const text = Buffer.concat(parts).toString();
    return { status: response.status, server: response.headers.get('server') ?? '', text };
  } catch {
    // Nobody listens, it hangs, or it does not speak HTTP.
    return null;
  }
}

/** What a successful answer says, or undefined. */
async function json(where: Where, path: string): Promise<unknown> {
  const answer = await ask(where, path);
  if (answer?.status !== 200) return undefined;
  try {
    return JSON.parse(answer.text);
  } catch {
    // A page, or anything else.
    return undefined;
  }
}
