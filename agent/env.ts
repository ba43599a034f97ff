/**
 * The agent's settings, from the environment: the only reader of `process.env`.
 * Every fault is told at once, each with what to do.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { AgentToken, parseAgentToken } from '#schema/id.ts';
import { DRAIN_MS } from '#schema/limits.ts';
import { ENGINE_NAMES } from './engines/registry.ts';
import { LOG_LEVELS } from './log.ts';

const PORT_MAX = 65_535;

const Env = z.object({
  TESSERA_URL: z
    .url({ protocol: /^https?$/, error: 'set it to the address of the edge, https://…' })
    .transform((url) => new URL(url)),
  TESSERA_AGENT_TOKEN: AgentToken,
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
    .default(ENGINE_NAMES.join(','))
    .transform((list) => list.split(',').map((name) => name.trim()))
    .pipe(
      z.array(
        z.enum(ENGINE_NAMES, { error: `a comma-separated list of ${ENGINE_NAMES.join(', ')}` }),
      ),
    ),
});

export interface AgentEnv {
  readonly url: URL;
  readonly token: string;
  /** Folder of the spool and of scratch files; by default one of each token's own. */
  readonly data: string;
  /** Null: 9400, or any free port when that is taken. */
  readonly healthPort: number | null;
  /** How long a drained agent lets its job run on. */
  readonly drainMs: number;
  readonly logLevel: (typeof LOG_LEVELS)[number];
  readonly engines: readonly (typeof ENGINE_NAMES)[number][];
}

const TOKEN_HELP = 'set it to the token that the edge gave for this agent, tsa_…';

/** The settings, or one line for each that is missing or wrong. */
export function readEnv(
  source: Readonly<Record<string, string | undefined>> = process.env,
): { ok: true; env: AgentEnv } | { ok: false; faults: readonly string[] } {
  // An empty variable, as compose files make them, is one that is not set.
  const given = Object.fromEntries(Object.entries(source).filter(([, value]) => value !== ''));
  const parsed = Env.safeParse(given);
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => {
      const name = String(issue.path[0]);
      // Not the value: it may be a secret.
      return `${name}: ${name === 'TESSERA_AGENT_TOKEN' ? TOKEN_HELP : issue.message}`;
    });
    return { ok: false, faults };
  }
  const env = parsed.data;
  const { agentId } = parseAgentToken(env.TESSERA_AGENT_TOKEN)!;
  return {
    ok: true,
    env: {
      url: env.TESSERA_URL,
      token: env.TESSERA_AGENT_TOKEN,
      data: env.TESSERA_DATA ?? join('.tessera', 'agents', agentId),
      healthPort: env.TESSERA_HEALTH_PORT ?? null,
      drainMs: env.TESSERA_DRAIN_MS,
      logLevel: env.TESSERA_LOG_LEVEL,
      engines: [...new Set(env.TESSERA_ENGINES)],
    },
  };
}
