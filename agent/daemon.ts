/**
 * The agent at work: takes jobs from the edge by outgoing requests alone, runs them on this box's
 * engines and uploads the results. SIGTERM, SIGINT, or the end of the process that launched it make it
 * drain: it finishes or gives back what runs, then leaves; a second signal ends it at once.
 * Leaves with 0 when drained, 1 after a fault, 2 when its settings or its token are wrong.
 */
import { mkdir, rm, statfs, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Served } from './agent.ts';
import { Agent } from './agent.ts';
import type { Classifier } from './check/classifier.ts';
import { createClock } from './clock.ts';
import type { Clock } from './clock.ts';
import { EdgeClient } from './edge-client.ts';
import type { SocketNews } from './edge-socket.ts';
import { findCommand } from './engines/ffmpeg.ts';
import { manage } from './engines/managed.ts';
import type { Engine } from './engines/engine.ts';
import { openEngines } from './engines/registry.ts';
import type { AgentEnv } from './env.ts';
import { lockData } from './data-lock.ts';
import { Fleet } from './fleet.ts';
import { askGpu } from './gpu.ts';
import type { HealthSource } from './health.ts';
import { serveHealth } from './health.ts';
import type { Log } from './log.ts';
import { createLog } from './log.ts';
import { CALL_MS_MAX, CLOSE_MS_MAX, SAME_SIGNAL_MS } from './limits.ts';
import { Metrics } from './metrics.ts';
import { RUNNING_FILE } from './operator/control.ts';
import { EngineProcess } from './process.ts';
import { Journal } from './process/journal.ts';
import type { ProcessName } from './process/settings.ts';
import type { Exit, SessionParts } from './run.ts';
import { Spool } from './spool.ts';
import packageJson from '../package.json' with { type: 'json' };

const HEALTH_PORT = 9400;
/** The first look at the engines may take minutes; the launcher may go meanwhile. */
const LAUNCHED = process.connected;
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/** What there is before the engines are opened. */
interface Own {
  readonly log: Log;
  readonly classifier: Classifier | null;
}

/** Serves until it is drained or must end; answers how that went. */
export async function serve(env: AgentEnv): Promise<number> {
  const log = createLog(env.logLevel);
  if (env.url.protocol === 'http:' && !LOOPBACK.test(env.url.hostname)) {
    log.warn('agent.plain_http', { host: env.url.host, help: 'the token travels unencrypted' });
  }
  let classifier: Classifier | null = null;
  try {
    if (env.classifier) {
      classifier = await (await import('./check/onnx.ts')).openOnnx(env.classifier);
      if (!(await findCommand('ffmpeg', AbortSignal.timeout(CALL_MS_MAX)))) {
        const help = 'install ffmpeg: without it only the first frame of a video is looked at';
        log.warn('classifier.first_frame', { help });
      }
    }
  } catch (error) {
    // Unguarded is not what was asked for.
    const help = 'correct TESSERA_CLASSIFIER_MODEL or install its package, or leave it out';
    log.error('classifier.broken', { detail: String(error), help });
    return 2;
  }
  const exit = await runAgent(env, { log, classifier });
  await classifier?.close();
  const help = {
    unauthorized: 'the edge refused TESSERA_AGENT_TOKEN: it is unknown or revoked; make a new one',
    engine_wedged: 'an engine did not stop; start the agent again, and the engine if it is its own',
    fault: 'see agent.fault above',
    locked: 'see agent.locked above',
    no_data: 'see agent.no_data above',
    drained: null,
  }[exit.reason];
  log[exit.code === 0 ? 'info' : 'error']('agent.exit', { ...exit, help });
  return exit.code;
}

async function runAgent(env: AgentEnv, own: Own): Promise<Exit> {
  const { log } = own;
  const data = resolve(env.data);
  const lock = await lockData(data).catch((error: unknown) => tellNoData(log, data, error));
  if (!lock) return { code: 1, reason: 'no_data' };
  if (!lock.ok) {
    const help = 'another agent uses this folder; stop it, or set TESSERA_DATA to another one';
    log.error('agent.locked', { data: env.data, pid: lock.holder, help });
    return { code: 1, reason: 'locked' };
  }
  try {
    return await runLocked(env, own);
  } finally {
    await lock.release();
  }
}

/** The folder cannot be written to: by its disk, or by whose it is. */
function tellNoData(log: Log, data: string, error: unknown): null {
  const { code, message } = error as NodeJS.ErrnoException;
  // Anything but a word of the system is a fault of ours.
  if (code === undefined) throw error;
  const help =
    code === 'ENOSPC' || code === 'EDQUOT'
      ? 'the disk is full: make room, or set TESSERA_DATA to a folder of another one'
      : 'let this user write there, or set TESSERA_DATA to another folder';
  log.error('agent.no_data', { data, detail: message, help });
  return null;
}

async function runLocked(env: AgentEnv, { log, classifier }: Own): Promise<Exit> {
  const version = packageJson.version;
  const clock = createClock();
  const data = resolve(env.data);
  const scratch = join(data, 'scratch');
  const opening = openData(env, { clock, log, version, scratch });
  const pools = await opening.catch((error: unknown) => tellNoData(log, data, error));
  if (!pools) return { code: 1, reason: 'no_data' };
  const opened = await openEngines(
    { names: env.engines, servers: env.servers },
    (engine, error) => {
      const help = 'install what is missing beside the agent, see ops/agent.md; or leave it out';
      log.error('engine.broken', { engine, detail: String(error).split('\n')[0], help });
    },
    (engine, words) => log.warn('engine.words', { engine, words }),
  );
  let agentOfNow: Agent | null = null;
  const supervision = { env, clock, log, data, onChange: () => agentOfNow?.look() };
  const engines = opened.map((engine) => supervise(engine, supervision));
  const askDiskBytes = async () => {
    const { bavail, bsize } = await statfs(data);
    return bavail * bsize;
  };
  const fleet = new Fleet(engines, { log, askGpu, askDiskBytes });
  const metrics = new Metrics();
  // This may take minutes when engines are to be started.
  log.info('agent.open', { version, engines: env.engines, data });
  const seen = await fleet.discover();
  const capabilities = (await fleet.survey()) ? await fleet.discover() : seen;
  const own = { clock, random: Math.random, fleet, log, metrics, version, scratch, classifier };
  const agent = new Agent({ ...own, capabilities, drainMs: env.drainMs }, pools);
  agentOfNow = agent;
  const health = await openHealth(describe(agent, { fleet, metrics, version }), env.healthPort);
  const healthUrl = `http://127.0.0.1:${health.port}/health`;
  // For `status`: the port may be any.
  const running = join(data, RUNNING_FILE);
  const told = JSON.stringify({ pid: process.pid, healthUrl });
  await writeFile(running, told, { mode: 0o600 }).catch((error: unknown) => {
    // `status` is poorer without it; jobs are not.
    log.warn('agent.untold', { detail: String(error) });
  });
  log.info('agent.start', {
    version,
    pid: process.pid,
    edge: env.url.origin,
    pools: env.tokens.map(({ pool }) => pool),
    engines: capabilities.engines.map(({ engine }) => engine),
    healthUrl,
  });
  if (capabilities.engines.every(({ models }) => models.length === 0)) {
    const help = 'start an engine or install a model; tessera-agent doctor says what is wrong';
    log.warn('agent.no_models', { help });
  }
  onStopWanted(agent, log);
  agent.start();
  const exit = await agent.done;
  agent.stop();
  await agent.goodbyes();
  await rm(running, { force: true });
  const edges = pools.map(({ edge }) => edge.close());
  const closed = Promise.all([health.close(), ...edges, fleet.close()]);
  // An engine that cannot be ended must not keep the agent from leaving.
  await Promise.race([closed, new Promise<void>((settle) => clock.after(CLOSE_MS_MAX, settle))]);
  return exit;
}

/** The folders of the agent, and what an earlier process left in its spools. */
async function openData(
  env: AgentEnv,
  parts: {
    readonly clock: Clock;
    readonly log: Log;
    readonly version: string;
    readonly scratch: string;
  },
): Promise<readonly SessionParts[]> {
  const { clock, log, version, scratch } = parts;
  // What an earlier process left half done is of no use: results that count are in the spool.
  await rm(scratch, { recursive: true, force: true });
  await mkdir(scratch, { recursive: true, mode: 0o700 });
  return Promise.all(
    env.tokens.map(async ({ pool, token }): Promise<SessionParts> => {
      const directory = join(resolve(env.data), 'spool', pool);
      const spool = await Spool.open(directory, { wall: () => clock.wall(), log });
      const onSocket = (news: SocketNews, detail: string) =>
        log.info(`socket.${news}`, { pool, ...(detail && { detail }) });
      const edge = new EdgeClient({ url: env.url, token, version, clock, onSocket });
      return { pool, edge, spool, kept: await spool.load() };
    }),
  );
}

/** The engine as it is, or with its server started and stopped by us when there is a command. */
function supervise(
  engine: Engine,
  parts: {
    readonly env: AgentEnv;
    readonly clock: Clock;
    readonly log: Log;
    readonly data: string;
    readonly onChange: () => void;
  },
): Engine {
  const { env, clock, log, data, onChange } = parts;
  const { name } = engine;
  const settings = env.processes[name as ProcessName];
  if (!settings) return engine;
  const process = new EngineProcess({
    name,
    command: settings.command,
    startMs: settings.startMs,
    env: env.processEnv,
    journal: new Journal(join(data, 'logs', `${name}.log`)),
    probe: async (signal) => (await engine.discover(signal)) !== null,
    clock,
    random: Math.random,
    log,
    onChange,
  });
  return manage(engine, { process, clock, onSwitch: settings.onSwitch });
}

/** The usual port, or any free one when several agents share a box; a port asked for must do. */
async function openHealth(source: HealthSource, port: number | null) {
  try {
    return await serveHealth(source, port ?? HEALTH_PORT);
  } catch (error) {
    if (port !== null || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    return serveHealth(source, 0);
  }
}

function describe(
  agent: Agent,
  parts: { readonly fleet: Fleet; readonly metrics: Metrics; readonly version: string },
): HealthSource {
  const { fleet, metrics, version } = parts;
  return {
    health() {
      const served = agent.served();
      return {
        status: statusOf(served),
        version,
        pools: served.map(({ pool, session, left }) => ({
          pool,
          sessionId: session.sessionId,
          registered: session.registered && left === null,
          draining: session.drain !== null,
          left,
        })),
        engines: fleet
          .engines()
          .map(({ name, up, away, trouble }) => ({ name, up, away, trouble })),
        jobs: served.flatMap(({ session }) =>
          session.leases.map(({ grant, phase, progress }) => ({
            id: grant.jobId,
            attempt: grant.attempt,
            phase,
            fraction: progress?.fraction ?? 0,
          })),
        ),
        spooled: agent.spooled(),
        memoryBytes: process.memoryUsage.rss(),
        uptimeS: Math.round(process.uptime()),
      };
    },
    capabilities: () => ({
      ...agent.served()[0]?.session.capabilities,
      resident: fleet.resident(),
    }),
    async metrics() {
      metrics.onEngines(fleet.engines(), agent.spooled());
      return { contentType: metrics.contentType, text: await metrics.text() };
    },
  };
}

/** The agent as a whole is as well as the worst of its sessions. */
function statusOf(served: readonly Served[]): 'ok' | 'degraded' | 'draining' {
  if (served.every(({ session }) => session.drain !== null)) return 'draining';
  const well = served.every(
    ({ session, left }) => session.registered && left === null && session.health.status === 'ok',
  );
  return well ? 'ok' : 'degraded';
}

function onStopWanted(agent: Agent, log: Log): void {
  let stopAt: number | null = null;
  const drain = (cause: string) => {
    log.info('agent.stop', { cause });
    agent.drain();
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      // A supervisor, its group and a terminal may each send the same signal: that is one wish.
      if (stopAt !== null && performance.now() - stopAt > SAME_SIGNAL_MS) process.exit(1);
      if (stopAt !== null) return;
      stopAt = performance.now();
      drain(signal);
    });
  }
  // Started by a launcher that is gone now: nobody would stop us later.
  if (process.connected) process.on('disconnect', () => drain('launcher gone'));
  else if (LAUNCHED) drain('launcher gone');
}
