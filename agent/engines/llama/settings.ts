/**
 * The embedded language model: a GGUF file by its path, or by its address and SHA-256, and where
 * the package that runs it is installed. Read from the environment by env.ts; pure.
 */
import { join, resolve } from 'node:path';
import { z } from 'zod';

/** Longer conversations are shortened; the cache of a small model for this takes some 500 MiB. */
const CONTEXT_TOKENS_MAX = 4096;
const THREADS_MAX = 64;

export interface LlamaSettings {
  /** Absolute; of a downloaded one, where it comes to lie. */
  readonly path: string;
  /** Null when the file is the operator's own. */
  readonly source: { readonly url: URL; readonly sha256: string } | null;
  /** A folder whose node_modules has node-llama-cpp; null: the agent's own. */
  readonly home: string | null;
  /** Null: by the processor. */
  readonly threads: number | null;
  readonly contextTokensMax: number;
}

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/i, { error: '64 hexadecimal digits' });

/** Its variables, by their names; to be spread into the agent's settings. */
export const LlamaEnv = z.object({
  TESSERA_LLAMA_MODEL: z.string().optional(),
  TESSERA_LLAMA_SHA256: Sha256.optional(),
  TESSERA_LLAMA_HOME: z.string().optional(),
  TESSERA_LLAMA_THREADS: z.coerce
    .number({ error: 'how many threads' })
    .int()
    .min(1)
    .max(THREADS_MAX)
    .optional(),
  TESSERA_LLAMA_CONTEXT: z.coerce
    .number({ error: 'how many tokens' })
    .int()
    .min(256)
    .default(CONTEXT_TOKENS_MAX),
});

/** Its settings, nothing when no model is named, or what is wrong with them. */
export function llamaOf(
  env: z.infer<typeof LlamaEnv>,
  data: string,
): { readonly llama?: LlamaSettings; readonly fault?: string } {
  const { TESSERA_LLAMA_MODEL: model, TESSERA_LLAMA_HOME: home } = env;
  if (model === undefined) return {};
  const own = {
    home: home === undefined ? null : resolve(home),
    threads: env.TESSERA_LLAMA_THREADS ?? null,
    contextTokensMax: env.TESSERA_LLAMA_CONTEXT,
  };
  if (!/^https?:/i.test(model)) return { llama: { path: resolve(model), source: null, ...own } };
  if (!URL.canParse(model)) return { fault: 'TESSERA_LLAMA_MODEL: a path, or an address' };
  const sha256 = env.TESSERA_LLAMA_SHA256?.toLowerCase();
  if (sha256 === undefined) {
    return { fault: 'TESSERA_LLAMA_SHA256: set it to that of the file at TESSERA_LLAMA_MODEL' };
  }
  const path = resolve(join(data, 'models', `${sha256}.gguf`));
  return { llama: { path, source: { url: new URL(model), sha256 }, ...own } };
}
