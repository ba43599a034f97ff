/**
 * The agent's settings, from the environment, and from its file what is not there: the only reader
 * of `process.env`. Every fault is told at once, each with what to do.
 */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { parseAgentToken } from '#schema/id.ts';
import type { PoolId } from '#schema/id.ts';
import { DRAIN_MS } from '#schema/limits.ts';
import { BUNDLE } from './bundle.ts';
import { ClassifierEnv, classifierOf } from './check/settings.ts';
import type { ClassifierSettings } from './check/settings.ts';
import { ComfyuiEnv, comfyuiOf } from './engines/comfyui/settings.ts';
import { LlamaEnv, llamaOf } from './engines/llama/settings.ts';
import { ENGINE_NAMES, SERVER_NAMES } from './engines/registry.ts';
import type { AllServers, EngineName } from './engines/registry.ts';
import { ServerEnv, serversOf } from './engines/server/settings.ts';
import { POOLS_MAX } from './limits.ts';
import { LOG_LEVELS } from './log.ts';
import { nearestOf } from './nearest.ts';
import { PROCESS_NAMES, ProcessEnv, processesOf } from './process/settings.ts';
import type { Processes } from './process/settings.ts';

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
  ...LlamaEnv.shape,
  ...ProcessEnv.shape,
  ...ClassifierEnv.shape,
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
  /** Of those, the ones that the agent starts itself. */
  readonly processes: Processes;
  /** What looks at pictures before they are sent; null: nothing does. */
  readonly classifier: ClassifierSettings | null;
  /** What engine processes are given of the environment: nothing of ours. */
  readonly processEnv: Readonly<Record<string, string>>;
}

export type Settings = Readonly<Record<string, string | undefined>>;
export type EnvResult =
  | { readonly ok: true; readonly env: AgentEnv }
  | { readonly ok: false; readonly faults: readonly string[] };

/** Every variable there is. */
export const ENV_NAMES: readonly string[] = Object.keys(Env.shape);

/** Where the file is, and what a caller of the service, its webhooks and its launcher are told. */
const OTHER_NAMES: readonly string[] = [
  'TESSERA_CONFIG',
  'TESSERA_KEY',
  'TESSERA_WEBHOOK_SECRET',
  'TESSERA_BOOTSTRAP_PID',
];
/** What Kubernetes and Docker tell a container of services and links named tessera or tessera-…. */
const LINKED = /^TESSERA_(\w+_)?(SERVICE_(HOST|PORT)|PORT_\d+_|ENV_|NAME$)/;
const LINK = /^(tcp|udp):/;

/** The settings' file that is named, and the user's home, where it is else looked for. */
export function readSurroundings(source: Settings = process.env): {
  readonly config: string | null;
  readonly home: string;
} {
  return { config: source['TESSERA_CONFIG'] || null, home: source['HOME'] || homedir() };
}

/** The settings, or one line for each that is missing or wrong; `file` has what is not in `source`. */
export function readEnv(source: Settings = process.env, file: Settings = {}): EnvResult {
  // An empty variable, as compose files make them, is one that is not set.
  const set = Object.fromEntries(Object.entries(source).filter(([, value]) => value !== ''));
  const given = { ...file, ...set };
  const parsed = Env.safeParse(given);
  const unknown = faultsOfNames(given);
  if (!parsed.success || unknown.length > 0) {
    // Not the value: it may be a secret.
    const faults = parsed.error?.issues.map(
      (issue) => `${String(issue.path[0])}: ${issue.message}`,
    );
    return { ok: false, faults: [...unknown, ...(faults ?? [])] };
  }
  const env = parsed.data;
  const tokens = env.TESSERA_AGENT_TOKEN;
  // Ids sort by time: a pool that is added later does not move the folder.
  const [oldest] = tokens.map(({ agentId }) => agentId).toSorted();
  const data = env.TESSERA_DATA ?? join('.tessera', 'agents', oldest!);
  const { llama, fault } = llamaOf(env, data);
  if (fault !== undefined) return { ok: false, faults: [fault] };
  const servers: AllServers = { ...serversOf(env), ...comfyuiOf(env), ...(llama && { llama }) };
  const isThere = (name: EngineName) =>
    !SERVER_NAMES.some((server) => server === name && !(server in servers));
  // The one-file build has the packages of the embedded ones only when somebody put them beside it.
  const usual = BUNDLE ? SERVER_NAMES : ENGINE_NAMES;
  const engines = [...new Set<EngineName>(env.TESSERA_ENGINES ?? usual.filter(isThere))];
  const lost = engines.find((name) => !isThere(name));
  if (lost) {
    const help =
      lost === 'llama'
        ? 'set TESSERA_LLAMA_MODEL to a GGUF file'
        : `set the address of its server, TESSERA_${lost.toUpperCase()}_URL`;
    return { ok: false, faults: [`TESSERA_ENGINES: ${lost}: ${help}`] };
  }
  const processes = processesOf(env);
  const homeless = PROCESS_NAMES.find((name) => name in processes && !(name in servers));
  if (homeless) {
    const name = homeless.toUpperCase();
    const help = `set TESSERA_${name}_URL to the address where it will listen`;
    return { ok: false, faults: [`TESSERA_${name}_COMMAND: ${help}`] };
  }
  return {
    ok: true,
    env: {
      url: env.TESSERA_URL,
      tokens: tokens.map(({ pool, token }) => ({ pool, token })),
      data,
      healthPort: env.TESSERA_HEALTH_PORT ?? null,
      drainMs: env.TESSERA_DRAIN_MS,
      logLevel: env.TESSERA_LOG_LEVEL,
      engines,
      servers,
      processes,
      classifier: classifierOf(env),
      processEnv: ownless(source),
    },
  };
}

/** A setting that is misspelt would be without effect, and nobody would know. */
function faultsOfNames(given: Settings): readonly string[] {
  const known = [...ENV_NAMES, ...OTHER_NAMES];
  const isOurs = (name: string) => name.startsWith('TESSERA_') && !LINKED.test(name);
  return Object.entries(given).flatMap(([name, value = '']) => {
    if (!isOurs(name) || known.includes(name) || LINK.test(value)) return [];
    return [`${name}: no such setting; the nearest is ${nearestOf(name, ENV_NAMES)}`];
  });
}

function ownless(source: Settings): Record<string, string> {
  const others = Object.entries(source).filter(([name]) => !name.startsWith('TESSERA_'));
  return Object.fromEntries(others.flatMap(([name, value]) => (value ? [[name, value]] : [])));
}
