/**
 * The agent's settings, from the environment: the only reader of `process.env`.
 * Every fault is told at once, each with what to do.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { parseAgentToken } from '#schema/id.ts';
import type { PoolId } from '#schema/id.ts';
import { DRAIN_MS } from '#schema/limits.ts';
import { ComfyuiEnv, comfyuiOf } from './engines/comfyui/settings.ts';
import { ENGINE_NAMES, SERVER_NAMES } from './engines/registry.ts';
import type { AllServers, EngineName } from './engines/registry.ts';
import { ServerEnv, serversOf } from './engines/server/settings.ts';
import { POOLS_MAX } from './limits.ts';
import { LOG_LEVELS } from './log.ts';

const PORT_MAX = 65_535;
const TOKEN_HELP = 'set it to the token that the edge gave for this agent, tsa_…';

const Env = z.object({
  TESSERA_URL: z
    .url({ protocol: /^https?$/, error: 'set it to the address of the edge, https://…' })
    .transform((url) => new URL(url)),
  TESSERA_AGENT_TOKEN: z
    .string({ error: TOKEN_HELP })
    .transform((list) => list.split(',').map((token) => token.trim()))
    .pipe(z.array(z.string()).max(POOLS_MAX, { error: `at most ${POOLS_MAX} tokens` }))
    .transform((tokens, context) => {
      const parsed = tokens.map((token) => ({ token, parts: parseAgentToken(token) }));
      const sound = parsed.flatMap(({ token, parts }) => (parts ? [{ token, ...parts }] : []));
      const pools = new Set(sound.map(({ pool }) => pool));
      const message =
        sound.length < tokens.length ? TOKEN_HELP : 'two tokens of one pool; give one for each';
      // Not the input: it is a secret.
      if (pools.size < tokens.length) context.addIssue({ code: 'custom', message });
      return sound;
    }),
  TESSERA_DATA: z.string().min(1).optional(),
  TESSERA_HEALTH_PORT: z.coerce
    .number({ error: 'a port number; 0 takes any free one' })
    .int()
    .min(0)
    .max(PORT_MAX)
    .optional(),
  TESSERA_DRAIN_MS: z.coerce
    .number({ error: 'milliseconds' })
    .int()
    .min(0)
    .max(DRAIN_MS)
    .default(DRAIN_MS),
  TESSERA_LOG_LEVEL: z
    .enum(LOG_LEVELS, { error: `one of ${LOG_LEVELS.join(', ')}` })
    .default('info'),
  TESSERA_ENGINES: z
    .string()
    .transform((list) => list.split(',').map((name) => name.trim()))
    .pipe(
      z.array(
        z.enum(ENGINE_NAMES, { error: `a comma-separated list of ${ENGINE_NAMES.join(', ')}` }),
      ),
    )
    .optional(),
  ...ServerEnv.shape,
  ...ComfyuiEnv.shape,
});

export interface AgentEnv {
  readonly url: URL;
  /** One for each pool that is served, in the order given. */
  readonly tokens: readonly { readonly pool: PoolId; readonly token: string }[];
  /** Folder of the spools and of scratch files; by default one of the oldest token's own. */
  readonly data: string;
  /** Null: 9400, or any free port when that is taken. */
  readonly healthPort: number | null;
  /** How long a drained agent lets its job run on. */
  readonly drainMs: number;
  readonly logLevel: (typeof LOG_LEVELS)[number];
  /** By default those that need no server, and those whose server is set. */
  readonly engines: readonly EngineName[];
  readonly servers: AllServers;
}

/** The settings, or one line for each that is missing or wrong. */
export function readEnv(
  source: Readonly<Record<string, string | undefined>> = process.env,
): { ok: true; env: AgentEnv } | { ok: false; faults: readonly string[] } {
  // An empty variable, as compose files make them, is one that is not set.
  const given = Object.fromEntries(Object.entries(source).filter(([, value]) => value !== ''));
  const parsed = Env.safeParse(given);
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => {
      // Not the value: it may be a secret.
      return `${String(issue.path[0])}: ${issue.message}`;
    });
    return { ok: false, faults };
  }
  const env = parsed.data;
  const servers: AllServers = { ...serversOf(env), ...comfyuiOf(env) };
  const isThere = (name: EngineName) =>
    !SERVER_NAMES.some((server) => server === name && !(server in servers));
  const engines = [...new Set(env.TESSERA_ENGINES ?? ENGINE_NAMES.filter(isThere))];
  const lost = engines.find((name) => !isThere(name));
  if (lost) {
    const help = `set the address of its server, TESSERA_${lost.toUpperCase()}_URL`;
    return { ok: false, faults: [`TESSERA_ENGINES: ${lost}: ${help}`] };
  }
  const tokens = env.TESSERA_AGENT_TOKEN;
  // Ids sort by time: a pool that is added later does not move the folder.
  const [oldest] = tokens.map(({ agentId }) => agentId).toSorted();
  return {
    ok: true,
    env: {
      url: env.TESSERA_URL,
      tokens: tokens.map(({ pool, token }) => ({ pool, token })),
      data: env.TESSERA_DATA ?? join('.tessera', 'agents', oldest!),
      healthPort: env.TESSERA_HEALTH_PORT ?? null,
      drainMs: env.TESSERA_DRAIN_MS,
      logLevel: env.TESSERA_LOG_LEVEL,
      engines,
      servers,
    },
  };
}
