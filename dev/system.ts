/**
 * The whole local system, as the launcher, the end-to-end tests and the soak script start it.
 *
 * Parts start in order (database, migrations, site, bundle, Worker, credentials, agent) and stop
 * in reverse: the agent drains, then the Worker, then PostgreSQL. All state is in one data
 * folder, held by one system at a time; ports are remembered there, so a restarted part is found
 * where it was.
 */
import { chmodSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { HealthView } from '#schema/api.ts';
import { buildSite, bundleWorker } from './build.ts';
import { chatBindings, keepBotSecrets, type ChatOrder } from './chat/order.ts';
import { keepCredentials, keepSecrets, type Credentials, type Secrets } from './credentials.ts';
import type { DatabaseOrder } from './database.ts';
import { readJson, writeJson } from './disk.ts';
import type { EdgeOrder } from './edge.ts';
import { takeLock, type Lock } from './lock.ts';
import { migrateDatabase } from './migrate.ts';
import { Part } from './part.ts';
import { choosePort, isPortFree } from './port.ts';
import { removePostgresData } from './postgres-home.ts';
import { Refusal, step, Stopped, type Say } from './progress.ts';
import { makeAgentShow, makeDatabaseShow, makeEdgeShow } from './show.ts';
import { AGENT_DRAIN_MS, STOP_MS } from './stop-times.ts';

const ROOT = join(import.meta.dirname, '..');
const AGENT_HEALTH_PORT = 9400;
const HEALTH_MS = 30_000;
const TRIED_EVERY_MS = 50;
/** How long the Worker's port may still belong to the Worker of a launcher just killed. */
const PORT_PATIENCE_MS = 3000;
/** Everything a system keeps; --fresh removes these and nothing else of the folder. */
const PRIVATE = ['worker', 'state', 'logs', 'agent'];
const KEPT = [
  ...PRIVATE,
  'postgres',
  'postgres.password',
  'local.json',
  'secrets.json',
  'bots.json',
  'ports.json',
  'chat-ports.json',
  'first-job.png',
  'first-job.json',
];

export type SystemOptions = {
  data: string;
  port: number;
  fresh?: boolean;
  agent?: boolean;
  /** Build the site too; tests of the API do without. */
  site?: boolean;
  /** Two bots on doubles of Telegram and Discord, and a page to chat with them. */
  chat?: boolean;
  /** A PostgreSQL or Neon to use instead of the embedded one. */
  databaseUrl?: string | undefined;
  /** More variables of the Worker, over the local ones. */
  bindings?: Record<string, string>;
  /** More environment of the agent. */
  agentEnv?: Record<string, string>;
  print: Say;
};

const Ports = z.object({ postgres: z.number(), bridge: z.number() });
const ChatPorts = z.object({ page: z.number(), telegram: z.number(), discord: z.number() });

type Parts = { database?: Part; edge?: Part; agent?: Part; chat?: Part };

export class LocalSystem {
  readonly data: string;
  readonly baseUrl: string;
  readonly #options: SystemOptions;
  #lock: Lock | undefined;
  #parts: Parts = {};
  #chat: ChatOrder | undefined;
  #databaseUrl = '';
  #proxy: string | undefined;
  #credentials: Credentials | undefined;
  readonly #stop = new AbortController();
  #stopping: Promise<void> | undefined;
  #build: number | undefined;
  #bindings: Record<string, string>;

  constructor(options: SystemOptions) {
    this.#options = options;
    this.#bindings = options.bindings ?? {};
    this.data = resolve(options.data);
    this.baseUrl = `http://127.0.0.1:${options.port}`;
  }

  /** Aborted once somebody asked for a stop. */
  get stopSignal(): AbortSignal {
    return this.#stop.signal;
  }

  get databaseUrl(): string {
    return this.#databaseUrl;
  }

  get credentials(): Credentials {
    if (this.#credentials === undefined) throw new Error('the system has not started');
    return this.#credentials;
  }

  /** Where the page of the local chats is, when there is one. */
  get chatUrl(): string | undefined {
    return this.#chat && `http://127.0.0.1:${this.#chat.ports.page}`;
  }

  get parts(): Readonly<Parts> {
    return this.#parts;
  }

  /**
   * Starts every part in order; whatever fails, the parts already started are stopped.
   * Throws Stopped when it was asked to stop meanwhile.
   */
  async start(): Promise<void> {
    try {
      await this.#start();
    } catch (error) {
      const wasAsked = this.#stop.signal.aborted;
      await this.stop();
      throw wasAsked ? new Stopped() : error;
    }
  }

  /** Stops the agent, the Worker and the database, in this order. Safe to repeat. */
  async stop(): Promise<void> {
    this.#stop.abort();
    this.#stopping ??= this.#stopParts();
    return this.#stopping;
  }

  /** Replaces the Worker by one with other variables, as a deploy does: all state stays. */
  async redeploy(bindings: Record<string, string>): Promise<void> {
    await this.#parts.edge?.stop();
    this.#bindings = { ...this.#bindings, ...bindings };
    await this.#startEdge(keepSecrets(this.data));
  }

  async #stopParts(): Promise<void> {
    await this.#parts.agent?.stop();
    await this.#parts.edge?.stop();
    await this.#parts.chat?.stop();
    await this.#parts.database?.stop();
    this.#lock?.release();
    this.#lock = undefined;
  }

  async #start(): Promise<void> {
    const { fresh, agent, site } = this.#options;
    mkdirSync(this.data, { recursive: true });
    chmodSync(this.data, 0o711); // PostgreSQL's user passes through; what is secret is 600
    this.#lock = takeLock(this.data);
    await this.#checkPort();
    if (fresh === true) await this.#step('clearing the old state', () => this.#clear());
    for (const name of PRIVATE) mkdirSync(join(this.data, name), { recursive: true, mode: 0o700 });
    const secrets = keepSecrets(this.data);
    await this.#step('PostgreSQL', () => this.#startDatabase());
    await this.#step('migrations', async () => {
      const found = await migrateDatabase(this.#databaseUrl);
      return found ? 'up to date' : 'skipped: there are none yet';
    });
    const build = {
      signal: this.#stop.signal,
      onSpawn: (group: number) => {
        this.#build = group;
        this.#notePids();
      },
    };
    if (site !== false) await this.#step('site', () => buildSite(build));
    await this.#step('Worker bundle', () => bundleWorker(join(this.data, 'worker'), build));
    this.#build = undefined;
    if (this.#options.chat === true) await this.#step('chats', () => this.#startChat());
    await this.#step('Worker', () => this.#startEdge(secrets));
    await this.#step('credentials', async () => {
      this.#credentials = await keepCredentials(this.data, this.baseUrl, secrets);
    });
    if (agent !== false) await this.#step('agent', () => this.#startAgent());
  }

  /** One step of the start, which a stop ends without a word: nothing failed. */
  async #step(name: string, act: Parameters<typeof step>[2]): Promise<void> {
    await step(this.#options.print, name, async () => {
      this.#checkStopped();
      try {
        const remark = await act();
        this.#checkStopped();
        return remark;
      } catch (error) {
        this.#checkStopped();
        throw error;
      }
    });
  }

  #checkStopped(): void {
    if (this.#stop.signal.aborted) throw new Stopped();
  }

  async #checkPort(): Promise<void> {
    const { port } = this.#options;
    const until = Date.now() + PORT_PATIENCE_MS;
    while (!(await isPortFree(port))) {
      this.#checkStopped();
      if (Date.now() < until) await sleep(TRIED_EVERY_MS);
      else {
        throw new Refusal(
          `Port ${port} is taken. Stop what listens there, or choose another: ` +
            `PORT=${port + 1} npm start`,
        );
      }
    }
  }

  #clear(): void {
    removePostgresData(join(this.data, 'postgres'));
    for (const name of KEPT) {
      rmSync(join(this.data, name), { recursive: true, force: true });
    }
  }

  async #startDatabase(): Promise<string> {
    const { databaseUrl, print } = this.#options;
    const external = databaseUrl === undefined ? undefined : new URL(databaseUrl);
    if (databaseUrl !== undefined) this.#databaseUrl = databaseUrl;
    if (external?.hostname.endsWith('.neon.tech') === true) return 'Neon, by DATABASE_URL,';
    const file = join(this.data, 'ports.json');
    const kept = Ports.safeParse(readJson(file)).data;
    const port = await choosePort(kept?.postgres);
    const bridgePort = await choosePort(kept?.bridge);
    writeJson(file, { postgres: port, bridge: bridgePort });
    const order: DatabaseOrder =
      external === undefined
        ? { kind: 'embedded', dataDir: join(this.data, 'postgres'), port, bridgePort }
        : {
            kind: 'external',
            host: external.hostname,
            port: Number(external.port || '5432'),
            bridgePort,
          };
    const part = this.#makePart('database', {
      args: [join(ROOT, 'dev', 'database.ts'), JSON.stringify(order)],
      show: makeDatabaseShow(),
      print,
    });
    this.#parts.database = part;
    const ready = await part.start();
    if (typeof ready['url'] === 'string') this.#databaseUrl = ready['url'];
    this.#proxy = `127.0.0.1:${bridgePort}/v1`;
    return external === undefined ? `ready on port ${port}` : 'bridged to DATABASE_URL';
  }

  async #startChat(): Promise<string> {
    const file = join(this.data, 'chat-ports.json');
    const kept = ChatPorts.safeParse(readJson(file)).data;
    const ports = {
      page: await choosePort(kept?.page),
      telegram: await choosePort(kept?.telegram),
      discord: await choosePort(kept?.discord),
    };
    writeJson(file, ports);
    this.#chat = { baseUrl: this.baseUrl, secrets: keepBotSecrets(this.data), ports };
    const part = this.#makePart('chat', {
      args: [join(ROOT, 'dev', 'chat', 'main.ts')],
      env: { TESSERA_CHAT: JSON.stringify(this.#chat) },
      print: this.#options.print,
    });
    this.#parts.chat = part;
    await part.start();
    return `at ${this.chatUrl}`;
  }

  async #startEdge(secrets: Secrets): Promise<string> {
    const { port, print } = this.#options;
    const order: EdgeOrder = {
      port,
      bundleDir: join(this.data, 'worker'),
      stateDir: join(this.data, 'state'),
      assetsDir: join(ROOT, 'web', 'out'),
      bindings: {
        ENVIRONMENT: 'local',
        WEBHOOK_LOOPBACK: '1',
        DATABASE_URL: this.#databaseUrl,
        ...(this.#proxy === undefined ? {} : { DATABASE_WS_PROXY: this.#proxy }),
        ADMIN_KEY: secrets.adminKey,
        SIGNING_KEY: secrets.signingKey,
        POOLS: 'main',
        PUBLIC_URL: this.baseUrl,
        ...(this.#chat === undefined ? {} : chatBindings(this.#chat)),
        ...this.#bindings,
      },
    };
    const part = this.#makePart('edge', {
      args: [join(ROOT, 'dev', 'edge.ts')],
      // wrangler reads the required secrets from the environment too, and complains of none
      env: { ...order.bindings, TESSERA_EDGE: JSON.stringify(order), WRANGLER_LOG: 'warn' },
      show: makeEdgeShow(),
      print,
    });
    this.#parts.edge = part;
    await part.start();
    await this.#waitForHealth();
    return `ready at ${this.baseUrl}`;
  }

  async #startAgent(): Promise<string> {
    const main = join(ROOT, 'agent', 'main.ts');
    if (!existsSync(main)) return 'skipped: there is no agent yet';
    const healthPort = await choosePort(AGENT_HEALTH_PORT);
    const part = this.#makePart('agent', {
      args: [main],
      env: {
        TESSERA_URL: this.baseUrl,
        TESSERA_AGENT_TOKEN: this.credentials.agentToken,
        TESSERA_DATA: join(this.data, 'agent'),
        // Settings of engines come from the environment or from here, not from the user's own agent.
        TESSERA_CONFIG: join(this.data, 'agent.json'),
        // Compiled code on disk: a quicker start and some 20 MB less memory.
        NODE_COMPILE_CACHE: join(this.data, 'agent', 'compiled'),
        TESSERA_HEALTH_PORT: String(healthPort),
        TESSERA_DRAIN_MS: String(AGENT_DRAIN_MS),
        ...this.#options.agentEnv,
      },
      show: makeAgentShow(),
      print: this.#options.print,
    });
    this.#parts.agent = part;
    await part.start();
    await this.#waitForAgent();
    return `online, health at http://127.0.0.1:${healthPort}/health`;
  }

  #makePart(
    name: 'database' | 'edge' | 'agent' | 'chat',
    own: Pick<ConstructorParameters<typeof Part>[0], 'args' | 'env' | 'show' | 'print'>,
  ): Part {
    this.#checkStopped(); // a stop under way knows only the parts that were there
    return new Part({
      ...own,
      name,
      cwd: ROOT,
      logDir: join(this.data, 'logs'),
      stopMs: STOP_MS[name],
      announces: name !== 'agent',
      onSpawn: () => this.#notePids(),
    });
  }

  #notePids(): void {
    const pids = [this.#build, ...Object.values(this.#parts).map((part) => part.pid)];
    this.#lock?.note(pids.filter((pid) => pid !== undefined));
  }

  /** The Worker refuses jobs that nobody could run, so the first one waits for the agent. */
  async #waitForAgent(): Promise<void> {
    const until = Date.now() + HEALTH_MS;
    while (!this.#stop.signal.aborted) {
      const { agents } = await readHealth(this.baseUrl);
      if (agents.online > 0) return;
      if (Date.now() > until) throw new Refusal('The agent does not come online: see its log.');
      await sleep(TRIED_EVERY_MS);
    }
  }

  async #waitForHealth(): Promise<void> {
    const until = Date.now() + HEALTH_MS;
    while (!this.#stop.signal.aborted) {
      const status = await fetch(`${this.baseUrl}/health`).then(
        (response) => response.status,
        () => 0,
      );
      if (status === 200 || status === 503) return;
      if (Date.now() > until) throw new Refusal(`GET /health answers ${status}, not 200 or 503.`);
      await sleep(TRIED_EVERY_MS);
    }
  }
}

async function readHealth(baseUrl: string): Promise<HealthView> {
  const response = await fetch(`${baseUrl}/health`);
  return HealthView.parse(await response.json());
}
