/** How the agent reaches ComfyUI, and where the operator's workflows are. Read by env.ts; pure. */
import { resolve } from 'node:path';
import { z } from 'zod';

export interface ComfyuiSettings {
  readonly url: URL;
  /** Absolute; null when there is none. */
  readonly workflows: string | null;
}

/** Its variables, by their names; to be spread into the agent's settings. */
export const ComfyuiEnv = z.object({
  TESSERA_COMFYUI_URL: z
    .url({ protocol: /^https?$/, error: 'set it to the address of ComfyUI, http://127.0.0.1:8188' })
    .transform((text) => new URL(text))
    .optional(),
  TESSERA_COMFYUI_WORKFLOWS: z.string().optional(),
});

/** Its settings under its name; nothing when it has no address. */
export function comfyuiOf(env: z.infer<typeof ComfyuiEnv>): {
  readonly comfyui?: ComfyuiSettings;
} {
  const { TESSERA_COMFYUI_URL: url, TESSERA_COMFYUI_WORKFLOWS: folder } = env;
  return url ? { comfyui: { url, workflows: folder ? resolve(folder) : null } } : {};
}
