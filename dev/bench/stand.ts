/**
 * The whole system on this machine, for one benchmark: what `npm start` runs (PostgreSQL, the
 * bundle in workerd, the real agent when asked for), in a temporary folder, with the probe of
 * probe.mjs as the Worker's entry.
 */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreatedAccount, CreatedAgent, QueueOverview } from '#schema/api.ts';
import type { PlanId } from '#schema/plan.ts';
import { call } from '../api.ts';
import { bundleWorker } from '../build.ts';
import { findFreePort } from '../port.ts';
import { removePostgresData } from '../postgres-home.ts';
import { quiet } from '../progress.ts';
import { LocalSystem } from '../system.ts';
import { sumOf } from './meter.ts';

const ANSWER_CHARS_MAX = 300;
const LOG_CHARS_MAX = 3000;
const TRIES = 3;
const LOOK_MS = 100;

export interface StandOptions {
  /** Run the real agent, with more environment; told the folder of all. */
  readonly agent?: (folder: string) => Record<string, string>;
  /** Count what is charged for; see meter.mjs. */
  readonly metered?: boolean;
  /** Another address at which the agent reaches the Worker. */
  readonly proxy?: (port: number) => Promise<string>;
}

export class Stand {
  readonly folder: string;
  readonly #system: LocalSystem;

  private constructor(folder: string, system: LocalSystem) {
    this.folder = folder;
    this.#system = system;
  }

  get url(): string {
    return this.#system.baseUrl;
  }

  /** Where its PostgreSQL is. */
  get databaseUrl(): string {
    return this.#system.databaseUrl;
  }

  /** Starts all of it; anew when a source changed between its two looks at them. */
  static async start(options: StandOptions = {}): Promise<Stand> {
    for (let tried = 1; ; tried += 1) {
      const stand = await Stand.#tryStart(options);
      const probed = await fetch(`${stand.url}/bench/empty`, { method: 'POST' });
      if (probed.ok) return stand;
      const answer = `${probed.status}: ${(await probed.text()).slice(0, ANSWER_CHARS_MAX)}`;
      await stand.stop();
      if (tried === TRIES) throw new Error(`the bundle's probe answers ${answer}`);
    }
  }

  static async #tryStart(options: StandOptions): Promise<Stand> {
    const folder = mkdtempSync(join(tmpdir(), 'tessera-bench-'));
    chmodSync(folder, 0o711); // PostgreSQL's user passes through
    // Whoever ends the benchmark ends its servers too: each of them is leashed to this process.
    process.once('exit', () => clear(folder));
    try {
      return await Stand.#startIn(folder, options);
    } catch (error) {
      clear(folder);
      throw error;
    }
  }

  static async #startIn(folder: string, options: StandOptions): Promise<Stand> {
    const { agent, proxy, metered } = options;
    const port = await findFreePort();
    const worker = join(folder, 'worker');
    await bundleWorker(worker);
    joinProbe(join(worker, 'worker.js'), metered === true);
    const url = await proxy?.(port);
    const system = new LocalSystem({
      data: folder,
      port,
      site: false,
      agent: agent !== undefined,
      agentEnv: { ...agent?.(folder), ...(url === undefined ? {} : { TESSERA_URL: url }) },
      print: quiet,
    });
    try {
      await system.start();
      return new Stand(folder, system);
    } catch (error) {
      const log = join(folder, 'logs', 'edge.log');
      const tail = existsSync(log) ? readFileSync(log, 'utf8').slice(-LOG_CHARS_MAX) : '';
      throw new Error(`the system does not start:\n${tail}`, { cause: error });
    }
  }

  /** A new account's API key. */
  async createAccount(plan: PlanId): Promise<string> {
    const body = { name: 'bench', plan };
    return CreatedAccount.parse(await this.#admin('accounts', body)).api_key;
  }

  /** A new agent's token. */
  async issueAgent(): Promise<string> {
    return CreatedAgent.parse(await this.#admin('agents', { name: 'bench' })).token;
  }

  /** What the probe answers to a POST. */
  async ask(path: string, body: unknown = null): Promise<unknown> {
    const request = { method: 'POST', body: JSON.stringify(body) };
    const answer = await fetch(`${this.url}${path}`, request);
    if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
    return answer.json();
  }

  /** How all pools together stand. */
  async overview(): Promise<QueueOverview> {
    const bearer = this.#system.credentials.adminKey;
    return QueueOverview.parse(await call(`${this.url}/admin/v1/queue`, { bearer }));
  }

  /** Waits until every job has ended and everyone was told. */
  async settle(): Promise<void> {
    for (;;) {
      const { waiting, running, undelivered } = await this.overview();
      if (sumOf(waiting) + running + sumOf(undelivered) === 0) return;
      await sleep(LOOK_MS);
    }
  }

  async stop(): Promise<void> {
    await this.#system.stop();
    clear(this.folder);
  }

  #admin(path: string, body: object): Promise<unknown> {
    const bearer = this.#system.credentials.adminKey;
    return call(`${this.url}/admin/v1/${path}`, { method: 'POST', bearer, body });
  }
}

/** Removes all that a stand and its peers have left. */
function clear(folder: string): void {
  for (const name of ['postgres', 'peers']) removePostgresData(join(folder, name));
  rmSync(folder, { recursive: true, force: true });
}

/** Puts the probe in the place of the bundle's exports, which it reads as `BUNDLE`. */
function joinProbe(file: string, metered: boolean): void {
  const parts = metered ? ['meter.mjs', 'probe.mjs'] : ['probe.mjs'];
  const texts = parts.map((name) => readFileSync(join(import.meta.dirname, name), 'utf8'));
  writeFileSync(file, joinModules(readFileSync(file, 'utf8'), texts.join('\n')));
}

/** `bundle` ends with one `export { name, other as default };`. */
export function joinModules(bundle: string, probe: string): string {
  const found = [...bundle.matchAll(/^export \{([^}]*)\};$/gm)].at(-1);
  if (found === undefined) throw new Error('the bundle ends with its exports');
  const members = found[1]!
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
    .map((item) => {
      const [local, name = local] = item.split(/\s+as\s+/);
      return `${JSON.stringify(name)}: ${local}`;
    });
  return `${bundle.slice(0, found.index)}const BUNDLE = { ${members.join(', ')} };\n${probe}`;
}
