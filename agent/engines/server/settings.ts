/**
 * How the agent reaches an engine that is a server of its own: address, keys, and which of the
 * server's models stands for which of the catalog. Read from the environment by env.ts; pure.
 * A variable of a server counts only when its address is set.
 */
import { z } from 'zod';
import { findModel } from '#schema/model.ts';
import type { JobType, ModelId } from '#schema/model.ts';

export interface ServerSettings {
  /** Without a path's last slash, and without `/v1`. */
  readonly url: URL;
  /** Sent as a bearer token. */
  readonly key: string | null;
  /** Opens what changes the server: loading and unloading models. */
  readonly adminKey: string | null;
  /** The server's own name of a model, by the catalog's; empty: what it is called there, or its only one. */
  readonly models: ReadonlyMap<ModelId, string>;
}

/** The servers that can be set, and the type of job that each does. */
export const SERVER_TYPES = {
  koboldcpp: 'text',
  text: 'text',
  speech: 'speech',
  whisper: 'transcription',
} as const satisfies Record<string, JobType>;
export type ServerName = keyof typeof SERVER_TYPES;
export type Servers = Readonly<Partial<Record<ServerName, ServerSettings>>>;

const Address = z
  .url({ protocol: /^https?$/, error: 'set it to the address of the server, http://127.0.0.1:…' })
  .transform((text) => {
    const url = new URL(text);
    url.pathname = url.pathname.replace(/\/+$/, '').replace(/\/v1$/, '');
    url.search = '';
    url.hash = '';
    return url;
  });
const Key = z
  .string()
  .regex(/^[\x21-\x7e]+$/, { error: 'a key is printable, without spaces' })
  .optional();

/** `chat=qwen2.5:7b, other=…`: a model of the catalog, and what the server calls it. */
function modelNames(type: JobType) {
  return z
    .string()
    .default('')
    .transform((list, context) => {
      const names = new Map<ModelId, string>();
      for (const entry of list.split(',').filter((part) => part.trim() !== '')) {
        const [, id = '', name = ''] = /^\s*([^=\s]+)\s*=\s*(\S.*?)\s*$/.exec(entry) ?? [];
        const message = entryFault(id, type, names);
        if (message) context.addIssue({ code: 'custom', message });
        names.set(id, name);
      }
      return names;
    });
}

function entryFault(id: string, type: JobType, names: ReadonlyMap<ModelId, string>) {
  if (id === '') return "a list like catalog-model=server's-model, separated by commas";
  if (findModel(id)?.type !== type) return `the catalog has no ${type} model ${id}`;
  return names.has(id) ? `${id} is given twice` : null;
}

/** The variables of all servers, by their names; to be spread into the agent's settings. */
export const ServerEnv = z.object({
  TESSERA_KOBOLDCPP_URL: Address.optional(),
  TESSERA_KOBOLDCPP_KEY: Key,
  TESSERA_KOBOLDCPP_ADMIN_KEY: Key,
  TESSERA_KOBOLDCPP_MODELS: modelNames('text'),
  TESSERA_TEXT_URL: Address.optional(),
  TESSERA_TEXT_KEY: Key,
  TESSERA_TEXT_MODELS: modelNames('text'),
  TESSERA_SPEECH_URL: Address.optional(),
  TESSERA_SPEECH_KEY: Key,
  TESSERA_SPEECH_MODELS: modelNames('speech'),
  TESSERA_WHISPER_URL: Address.optional(),
  TESSERA_WHISPER_KEY: Key,
  TESSERA_WHISPER_MODELS: modelNames('transcription'),
});

/** The servers that have an address. */
export function serversOf(env: z.infer<typeof ServerEnv>): Servers {
  const servers: Partial<Record<ServerName, ServerSettings>> = {};
  for (const name of Object.keys(SERVER_TYPES) as ServerName[]) {
    const prefix = `TESSERA_${name.toUpperCase()}` as 'TESSERA_TEXT';
    const url = env[`${prefix}_URL`];
    if (!url) continue;
    const adminKey = name === 'koboldcpp' ? env.TESSERA_KOBOLDCPP_ADMIN_KEY : undefined;
    const models = env[`${prefix}_MODELS`];
    servers[name] = { url, key: env[`${prefix}_KEY`] ?? null, adminKey: adminKey ?? null, models };
  }
  return servers;
}
