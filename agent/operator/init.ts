/**
 * `tessera-agent init`: asks for the address and the token, looks which engines run on this
 * machine at their usual ports, writes the settings so that only the user can read them, and the
 * systemd unit when that is wanted. What is given as an option is not asked for.
 */
import { access, chmod, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { parseConfig } from '../config.ts';
import { openEngines } from '../engines/registry.ts';
import { readEnv } from '../env.ts';
import type { ProcessName } from '../process/settings.ts';
import { faultOfEdge } from './edge.ts';
import { printable } from './finding.ts';
import { identify } from './identify.ts';
import { quote, unitOf } from './unit.ts';

/**
 * Where engines listen when nobody says otherwise: ComfyUI, KoboldCPP, llama.cpp or whisper.cpp,
 * the other of these, Ollama, Kokoro-FastAPI, speaches or vLLM, LM Studio. Of several for one
 * purpose, the first is taken.
 */
const USUAL_PORTS: readonly number[] = [8188, 5001, 8080, 8081, 11_434, 8880, 8000, 1234];
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
  readonly ports?: readonly number[];
  /** Why jobs would not come from there, or null; given in tests. */
  readonly askEdge?: (url: URL) => Promise<string | null>;
  /** Makes the signal that ends a question to a server. */
  readonly timeout?: (ms: number) => AbortSignal;
}

/** Answers the exit code. */
export async function init(given: InitParts): Promise<number> {
  // systemd starts the agent in another folder.
  const print = (line: string) => given.print(printable(line));
  const parts = { ...given, print, config: resolve(given.config) };
  const { config } = parts;
  if (!parts.overwrite && (await isThere(config))) return tellThere(parts);
  const { url, token, data, unit } = await collect(parts);
  const own = { url, agentToken: token, data };
  const faults = faultsOf(toText(own));
  if (faults.length > 0) {
    for (const fault of faults) print(fault);
    print('nothing was written; call again and answer with these, or give --url and --token');
    return 2;
  }
  await tellUnreachable(new URL(url), parts);
  print('looking for engines at their usual ports');
  const found = await findServers(parts);
  const servers = Object.fromEntries(found.map((server) => [server.name, { url: server.url }]));
  try {
    if (!(await write(config, toText({ ...own, ...servers }), parts.overwrite))) {
      return tellThere(parts);
    }
    print(`wrote ${config}`);
    if (unit) await writeUnit(parts);
  } catch (error) {
    const help = 'make room there, let this user write there, or name another file: --config FILE';
    print(`not written: ${(error as Error).message}; ${help}`);
    return 1;
  }
  print('next: tessera-agent doctor, then tessera-agent run');
  return 0;
}

/** The settings are written all the same: the service may be down, or this machine offline. */
async function tellUnreachable(
  url: URL,
  { print, askEdge = faultOfEdge }: InitParts,
): Promise<void> {
  const fault = await askEdge(url);
  if (fault === null) return;
  print(`warning: ${fault}`);
  print(`  check the address, as by: curl ${new URL('/health', url).href}`);
}

function tellThere({ config, print }: InitParts): number {
  print(`${config} is there already: give --force to replace it`);
  return 1;
}

function toText(settings: object): string {
  return `${JSON.stringify(settings, null, 2)}\n`;
}

/** What the agent would refuse. */
function faultsOf(text: string): readonly string[] {
  const parsed = parseConfig(text);
  const settings = parsed.ok ? readEnv({}, parsed.values) : parsed;
  return settings.ok ? [] : settings.faults;
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
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
}

/** The servers of this machine that an engine can use, one for each; tells of all that answer. */
async function findServers({
  ports = USUAL_PORTS,
  print,
  timeout = (ms) => AbortSignal.timeout(ms),
}: InitParts): Promise<readonly Found[]> {
  const seen = await Promise.all(
    ports.map(async (port) => {
      const url = `http://127.0.0.1:${port}`;
      const who = await identify({ url: new URL(url), key: null, signal: timeout(PROBE_MS) });
      return { url, who };
    }),
  );
  const taken = new Map<ProcessName, string>();
  for (const { url, who } of seen) {
    if (who === 'nobody') continue;
    if (who === 'stranger') {
      print(`  ${url}  none that is known here; name it in the settings if it is an engine`);
      continue;
    }
    for (const name of who.serves) {
      const models = await probe(name, url, timeout(PROBE_MS));
      const words = tell({ name, models, other: taken.get(name) });
      print(`  ${url}  ${who.product}: ${words}`);
      if (models.length > 0 && !taken.has(name)) taken.set(name, url);
    }
  }
  if (taken.size === 0) print('  none to use; name them in the settings when there are');
  return [...taken].map(([name, url]) => ({ name, url }));
}

function tell(of: {
  readonly name: ProcessName;
  readonly models: readonly string[];
  readonly other: string | undefined;
}): string {
  const { name, models, other } = of;
  if (models.length === 0) {
    return `${name} would use it, but it has no model yet, or wants a key; put it into the settings`;
  }
  const list = models.join(', ');
  return other === undefined ? `${name}: ${list}` : `not used: ${name} has ${other} already`;
}

/** What an engine's own driver finds there: what the agent would find, it finds. */
async function probe(
  name: ProcessName,
  url: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const variables = { TESSERA_URL: 'https://edge.invalid', TESSERA_AGENT_TOKEN: ANY_TOKEN };
  const settings = readEnv({ ...variables, [`TESSERA_${name.toUpperCase()}_URL`]: url });
  if (!settings.ok) return [];
  const { servers } = settings.env;
  const [engine] = await openEngines({ names: [name], servers }, () => {});
  try {
    return (await engine!.discover(signal))?.models ?? [];
  } catch {
    // It went away meanwhile, wants a key, or is not ready.
    return [];
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
