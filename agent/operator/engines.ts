/**
 * The doctor's look at the engines: which answer, as what, with which models. Asks their own
 * drivers, so that it finds what the agent would; starts and downloads nothing.
 */
import type { Engine } from '../engines/engine.ts';
import { isThere } from '../engines/llama/download.ts';
import { openEngines } from '../engines/registry.ts';
import type { EngineName } from '../engines/registry.ts';
import type { AgentEnv } from '../env.ts';
import { DISCOVER_MS_MAX } from '../limits.ts';
import { PROCESS_NAMES } from '../process/settings.ts';
import type { ProcessName } from '../process/settings.ts';
import { bad, ok, weak } from './finding.ts';
import type { Finding } from './finding.ts';
import { identify } from './identify.ts';
import type { Identified } from './identify.ts';

interface Look {
  readonly finding: Finding;
  /** What it would run now. */
  readonly models: readonly string[];
}

/** What a driver says of its engine: its models, null when it cannot run, or why it cannot tell. */
type Answer = { readonly models: readonly string[] | null } | { readonly fault: string };

/** Looks at all engines at once, and tells in their order; `timeout` ends a question. */
export async function* lookAtEngines(
  env: AgentEnv,
  timeout: (ms: number) => AbortSignal,
): AsyncGenerator<Look> {
  const said = new Map<string, string[]>();
  const broken = new Map<string, string>();
  const note = (name: EngineName, words: string) =>
    void said.set(name, [...(said.get(name) ?? []), words]);
  const { engines: names, servers } = env;
  const { llama } = servers;
  // Without its address it is not downloaded: that is left to those who are asked to.
  const own = { ...servers, ...(llama && { llama: { ...llama, source: null } }) };
  const onBroken = (name: EngineName, error: unknown) => void broken.set(name, String(error));
  const engines = await openEngines({ names, servers: own }, onBroken, note);
  const looks = engines.map(async (engine): Promise<readonly Look[]> => {
    const { name } = engine;
    const fault = broken.get(name);
    if (fault !== undefined) return [{ finding: lookAtBroken(name, fault), models: [] }];
    const look = await lookAtEngine(engine, env, timeout(DISCOVER_MS_MAX));
    await engine.close();
    // What is bad, was told with its reason.
    const words = look.finding.state === 'bad' ? [] : (said.get(name) ?? []);
    const mend = 'install what is missing, or leave it: the rest works';
    return [look, ...words.map((word) => ({ finding: weak(name, word, mend), models: [] }))];
  });
  for (const look of looks) yield* await look;
}

function lookAtBroken(name: string, fault: string): Finding {
  const mend = 'install what is missing beside the agent: see ops/agent.md';
  return bad(name, `cannot be loaded: ${brief(fault.split('\n')[0]!)}`, mend);
}

async function lookAtEngine(engine: Engine, env: AgentEnv, signal: AbortSignal): Promise<Look> {
  const server = serverOf(engine.name, env);
  const [answer, who] = await Promise.all([
    ask(engine, signal),
    server ? identify({ ...server, signal }) : ('nobody' as const),
  ]);
  const models = 'models' in answer ? (answer.models ?? []) : [];
  const finding = server
    ? lookAtServer({ ...server, who }, answer, env)
    : await lookAtOwn(engine.name, answer, env);
  return { finding, models: finding.state === 'bad' ? [] : models };
}

/** A server that is not the agent's own. */
interface Server {
  readonly name: ProcessName;
  readonly url: URL;
  readonly key: string | null;
}

function serverOf(name: string, { servers }: AgentEnv): Server | null {
  const known = PROCESS_NAMES.find((other) => other === name);
  const server = known && servers[known];
  return server ? { name: known, url: server.url, key: 'key' in server ? server.key : null } : null;
}

async function ask(engine: Engine, signal: AbortSignal): Promise<Answer> {
  try {
    return { models: (await engine.discover(signal))?.models ?? null };
  } catch (error) {
    return { fault: signal.aborted ? 'no answer in time' : (error as Error).message };
  }
}

async function lookAtOwn(name: string, answer: Answer, env: AgentEnv): Promise<Finding> {
  if ('models' in answer && answer.models !== null) return ok(name, answer.models.join(', '));
  if (name === 'llama') return lookAtLlama(env);
  return weak(name, 'cannot run here: a package or a program is missing', 'see ops/agent.md');
}

async function lookAtLlama({ servers: { llama } }: AgentEnv): Promise<Finding> {
  if (llama && !(await isThere(llama.path))) {
    if (llama.source === null) {
      return bad('llama', `${llama.path} is not there`, 'correct TESSERA_LLAMA_MODEL');
    }
    const words = `its model is not downloaded yet: ${llama.source.url.href}`;
    return weak('llama', words, 'tessera-agent fetch; or leave it: the agent does when it runs');
  }
  const mend = 'npm install node-llama-cpp where TESSERA_LLAMA_HOME says: see ops/agent.md';
  return bad('llama', 'its package node-llama-cpp is not there', mend);
}

function lookAtServer(
  { name, url, who }: Server & { readonly who: Identified },
  answer: Answer,
  env: AgentEnv,
): Finding {
  const setting = `TESSERA_${name.toUpperCase()}`;
  const { origin } = url;
  const models = 'models' in answer ? answer.models : null;
  const isFound = models !== null && models.length > 0;
  if (typeof who === 'object' && !who.serves.includes(name)) {
    const words = `${origin} is ${who.product}, which serves as ${who.serves.join(' and ')}`;
    const mend = `correct ${setting}_URL, or set TESSERA_${who.serves[0]!.toUpperCase()}_URL instead`;
    // It writes text by the OpenAI API too, only not as well.
    const works = isFound && name === 'text' && who.serves.includes('koboldcpp');
    return works ? weak(name, words, mend) : bad(name, words, mend);
  }
  if (isFound) return ok(name, models.join(', '));
  if (models !== null && who !== 'stranger') {
    const mend =
      name === 'comfyui'
        ? 'install what its workflows want: see below'
        : `install one, or name it by ${setting}_MODELS: see below`;
    return weak(name, `${origin} has no model of the catalog`, mend);
  }
  const why = 'fault' in answer ? `: ${brief(answer.fault)}` : ': it tells of no model';
  if (who !== 'nobody') {
    const words = `${origin} does not answer as such an engine${why}`;
    const mend = `correct ${setting}_URL or its key, or what runs there; wait if it still starts`;
    return bad(name, words, mend);
  }
  const command = env.processes[name]?.command;
  if (command) return ok(name, `not running; the agent starts it by: ${command}`);
  const mend = `start it, correct ${setting}_URL, or set ${setting}_COMMAND`;
  return bad(name, `${origin} does not answer${'fault' in answer ? why : ''}`, mend);
}

const WORDS_CHARS_MAX = 160;

/** On one line of a terminal: a server may answer with a page. */
function brief(words: string): string {
  const line = words.replaceAll(/\s+/g, ' ');
  return line.length > WORDS_CHARS_MAX ? `${line.slice(0, WORDS_CHARS_MAX)}…` : line;
}
