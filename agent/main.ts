/**
 * The agent: takes jobs from the edge by outgoing requests alone, runs them on this box's engines
 * and uploads the results. SIGTERM, SIGINT, or the end of the process that launched it make it
 * drain: it finishes or gives back what runs, then leaves; a second signal ends it at once.
 * Leaves with 0 when drained, 1 after a fault, 2 when its settings or its token are wrong.
 */
import { mkdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createClock } from './clock.ts';
import { EdgeClient } from './edge-client.ts';
import { openEngines } from './engines/registry.ts';
import type { AgentEnv } from './env.ts';
import { lockData } from './data-lock.ts';
import { readEnv } from './env.ts';
import { Fleet } from './fleet.ts';
import { askGpu } from './gpu.ts';
import type { HealthSource } from './health.ts';
import { serveHealth } from './health.ts';
import type { Log } from './log.ts';
import { createLog } from './log.ts';
import { CLOSE_MS_MAX, SAME_SIGNAL_MS } from './limits.ts';
import { Metrics } from './metrics.ts';
import type { Exit } from './run.ts';
import { AgentLoop } from './run.ts';
import { Spool } from './spool.ts';
import packageJson from '../package.json' with { type: 'json' };

const HEALTH_PORT = 9400;
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

async function main(): Promise<number> {
  const settings = readEnv();
  if (!settings.ok) {
    for (const fault of settings.faults) process.stderr.write(`${fault}\n`);
    return 2;
  }
  const { env } = settings;
  const log = createLog(env.logLevel);
  if (env.url.protocol === 'http:' && !LOOPBACK.test(env.url.hostname)) {
    log.warn('agent.plain_http', { host: env.url.host, help: 'the token travels unencrypted' });
  }
  const exit = await runAgent(env, log);
  const help = {
    unauthorized: 'the edge refused TESSERA_AGENT_TOKEN: it is unknown or revoked; make a new one',
    engine_wedged: 'an engine did not stop; start the agent again, and the engine if it is its own',
    fault: 'see agent.fault above',
    locked: 'see agent.locked above',
    drained: null,
  }[exit.reason];
  log[exit.code === 0 ? 'info' : 'error']('agent.exit', { ...exit, help });
  return exit.code;
}

async function runAgent(env: AgentEnv, log: Log): Promise<Exit> {
  const lock = await lockData(resolve(env.data));
  if (!lock.ok) {
    const help = 'another agent uses this folder; stop it, or set TESSERA_DATA to another one';
    log.error('agent.locked', { data: env.data, pid: lock.holder, help });
    return { code: 1, reason: 'locked' };
  }
  try {
    return await runLocked(env, log);
  } finally {
    await lock.release();
  }
}

async function runLocked(env: AgentEnv, log: Log): Promise<Exit> {
  const version = packageJson.version;
  const clock = createClock();
  const data = resolve(env.data);
  const scratch = join(data, 'scratch');
  // What an earlier process left half done is of no use: results that count are in the spool.
  await rm(scratch, { recursive: true, force: true });
  await mkdir(scratch, { recursive: true, mode: 0o700 });
  const spool = await Spool.open(join(data, 'spool'), { wall: () => clock.wall(), log });
  const engines = await openEngines(
    env.engines,
    (engine, error) => log.error('engine.broken', { engine, detail: error }),
    (engine, words) => log.warn('engine.words', { engine, words }),
  );
  const fleet = new Fleet(engines, { log, askGpu });
  const metrics = new Metrics();
  const edge = new EdgeClient({ url: env.url, token: env.token, version });
  const [capabilities, kept] = await Promise.all([fleet.discover(), spool.load()]);
  const parts = { clock, random: Math.random, edge, fleet, spool, log, metrics, version, scratch };
  const agent = new AgentLoop(parts, { capabilities, kept, drainMs: env.drainMs });
  const health = await openHealth(describe(agent, parts), env.healthPort);
  log.info('agent.start', {
    version,
    pid: process.pid,
    edge: env.url.origin,
    engines: capabilities.engines.map(({ engine }) => engine),
    healthUrl: `http://127.0.0.1:${health.port}/health`,
  });
  onStopWanted(agent, log);
  agent.start();
  const exit = await agent.done;
  agent.stop();
  if (exit.reason === 'drained') await edge.leave(agent.state().sessionId);
  const closed = Promise.all([health.close(), edge.close(), fleet.close()]);
  // An engine that cannot be ended must not keep the agent from leaving.
  await Promise.race([closed, new Promise<void>((settle) => clock.after(CLOSE_MS_MAX, settle))]);
  return exit;
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
  agent: AgentLoop,
  parts: Pick<ConstructorParameters<typeof AgentLoop>[0], 'fleet' | 'spool' | 'metrics'>,
): HealthSource {
  const { fleet, spool, metrics } = parts;
  return {
    health() {
      const { sessionId, registered, drain, leases, health, version } = agent.state();
      const status = drain ? 'draining' : registered ? health.status : 'degraded';
      return {
        status,
        version,
        sessionId,
        registered,
        engines: fleet.engines().map(({ name, up }) => ({ name, up })),
        jobs: leases.map(({ grant, phase, progress }) => ({
          id: grant.jobId,
          attempt: grant.attempt,
          phase,
          fraction: progress?.fraction ?? 0,
        })),
        spooled: spool.size(),
        memoryBytes: process.memoryUsage.rss(),
        uptimeS: Math.round(process.uptime()),
      };
    },
    capabilities: () => ({ ...agent.state().capabilities, resident: fleet.resident() }),
    async metrics() {
      metrics.onEngines(fleet.engines(), spool.size());
      return { contentType: metrics.contentType, text: await metrics.text() };
    },
  };
}

function onStopWanted(agent: AgentLoop, log: Log): void {
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
}

process.exit(await main());
