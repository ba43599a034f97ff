/**
 * `tessera-agent init`: asks for the address and the token, looks which engines run on this
 * machine at their usual ports, writes the settings so that only the user can read them, and the
 * systemd unit when that is wanted. What is given as an option is not asked for.
 */
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { parseConfig } from '../config.ts';
import { openEngines } from '../engines/registry.ts';
import { readEnv } from '../env.ts';
import type { ProcessName } from '../process/settings.ts';
import { quote, unitOf } from './unit.ts';

/** Where engines listen when nobody says otherwise; the first that answers is taken. */
const USUAL_PORTS: Readonly<Record<ProcessName, readonly number[]>> = {
  comfyui: [8188],
  koboldcpp: [5001],
  // llama.cpp, Ollama, vLLM, LM Studio
  text: [8080, 11_434, 8000, 1234],
  // Kokoro-FastAPI, speaches
  speech: [8880, 8000],
  // whisper.cpp beside a llama.cpp and alone, speaches
  whisper: [8081, 8080, 8000],
};
/** One that is there answers at once: it is on this machine. */
const PROBE_MS = 3000;
/** Stands in where only the shape of the settings counts. */
const ANY_TOKEN = `tsa_main_01k00000000000000000000000_${'x'.repeat(43)}`;

export interface Answers {
  readonly url: string;
  readonly token: string;
  readonly data: string;
  readonly unit: boolean;
}

export interface InitParts {
  readonly config: string;
  readonly home: string;
  /** What is known already. */
  readonly given: Partial<Answers>;
  /** Asks for a line; the answer is `fallback` when it is empty. */
  readonly ask: (question: string, fallback: string) => Promise<string>;
  readonly print: (line: string) => void;
  readonly overwrite: boolean;
  /** Node and the agent's script, for the unit. */
  readonly exec: readonly string[];
  readonly ports?: Readonly<Partial<Record<ProcessName, readonly number[]>>>;
}

/** Answers the exit code. */
export async function init(given: InitParts): Promise<number> {
  // systemd starts the agent in another folder.
  const parts = { ...given, config: resolve(given.config) };
  const { config, print } = parts;
  const answers = await collect(parts);
  print('looking for engines at their usual ports');
  const found = await findServers(parts.ports ?? USUAL_PORTS);
  for (const { name, url, models } of found) print(`  ${name}  ${url}  ${models.join(', ')}`);
  if (found.length === 0) print('  none; name them in the settings when there are');
  const servers = Object.fromEntries(found.map(({ name, url }) => [name, { url }]));
  const { url, token, data } = answers;
  const text = `${JSON.stringify({ url, agentToken: token, data, ...servers }, null, 2)}\n`;
  const parsed = parseConfig(text);
  const settings = parsed.ok ? readEnv({}, parsed.values) : parsed;
  if (!settings.ok) {
    for (const fault of settings.faults) print(fault);
    return 2;
  }
  if (!(await write(config, text, parts.overwrite))) {
    print(`${config} is there already: give --force to replace it`);
    return 1;
  }
  print(`wrote ${config}`);
  if (answers.unit) await writeUnit(parts);
  print('next: tessera-agent doctor, then tessera-agent run');
  return 0;
}

async function collect({ given, ask, home }: InitParts): Promise<Answers> {
  const url = given.url ?? (await ask('address of the service (https://…)', ''));
  const token = given.token ?? (await ask('token of this agent (tsa_…)', ''));
  const data = resolve(given.data ?? join(home, '.local', 'share', 'tessera', 'agent'));
  const wants = async () => /^y/i.test(await ask('start it by systemd, as this user? (y/n)', 'n'));
  return { url, token, data, unit: given.unit ?? (await wants()) };
}

interface Found {
  readonly name: ProcessName;
  readonly url: string;
  readonly models: readonly string[];
}

/** The engines that answer, by the agent's own drivers: what it would find, it finds. */
async function findServers(
  ports: Readonly<Partial<Record<ProcessName, readonly number[]>>>,
): Promise<readonly Found[]> {
  const names = Object.keys(ports) as ProcessName[];
  const found = await Promise.all(
    names.map(async (name) => {
      for (const port of ports[name]!) {
        const url = `http://127.0.0.1:${port}`;
        const models = await probe(name, url);
        if (models) return [{ name, url, models }];
      }
      return [];
    }),
  );
  return found.flat();
}

async function probe(name: ProcessName, url: string): Promise<readonly string[] | null> {
  const variables = { TESSERA_URL: 'https://edge.invalid', TESSERA_AGENT_TOKEN: ANY_TOKEN };
  const settings = readEnv({ ...variables, [`TESSERA_${name.toUpperCase()}_URL`]: url });
  if (!settings.ok) return null;
  const { servers } = settings.env;
  const [engine] = await openEngines({ names: [name], servers }, () => {});
  try {
    const info = await engine!.discover(AbortSignal.timeout(PROBE_MS));
    // One that answers with no model at all may be anything.
    return info && info.models.length > 0 ? info.models : null;
  } catch {
    // Nobody there, or something else.
    return null;
  } finally {
    await engine!.close();
  }
}

async function write(path: string, text: string, overwrite: boolean): Promise<boolean> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  try {
    await writeFile(path, text, { mode: 0o600, flag: overwrite ? 'w' : 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  }
  // A file that was there keeps its mode.
  await chmod(path, 0o600);
  return true;
}

async function writeUnit({ home, exec, config, print }: InitParts): Promise<void> {
  const path = join(home, '.config', 'systemd', 'user', 'tessera-agent.service');
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, unitOf([...exec, '--config', config, 'run'].map(quote).join(' ')));
  print(`wrote ${path}; start it with:`);
  print('  systemctl --user daemon-reload && systemctl --user enable --now tessera-agent');
  print('  loginctl enable-linger    (so that it runs when nobody is logged in)');
}
