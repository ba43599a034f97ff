/**
 * `npm start`: the whole system on one machine, until Ctrl-C.
 *
 * Reads the command line and the environment, starts the parts, runs the first job and prints
 * where everything is. Ctrl-C stops in order; a second Ctrl-C leaves at once, and the parts end
 * by themselves. When the process that started it is killed, it stops as on Ctrl-C.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runFirstJob } from './first-job.ts';
import { Refusal, say, Stopped, tellMs } from './progress.ts';
import { AGENT_DRAIN_MS } from './stop-times.ts';
import { LocalSystem } from './system.ts';

const DEFAULT_PORT = 8787;
const ORPHAN_CHECK_MS = 1000;
/** One Ctrl-C reaches us from the terminal and again through npm, within this time. */
const SAME_KEY_MS = 1000;
const USAGE = `usage: npm start -- [--data DIR] [--fresh] [--no-agent]

  --data DIR   where all state lives (default .tessera)
  --fresh      clear that state first
  --no-agent   everything but the agent: run your own with npm run agent

  PORT           the Worker's port (default ${DEFAULT_PORT})
  DATABASE_URL   a PostgreSQL or Neon to use instead of the embedded PostgreSQL`;

function readOptions() {
  const { values } = parseArgs({
    options: {
      data: { type: 'string', default: '.tessera' },
      fresh: { type: 'boolean', default: false },
      agent: { type: 'boolean', default: true },
      help: { type: 'boolean', default: false },
    },
    allowNegative: true,
  });
  const port = Number(process.env['PORT'] ?? DEFAULT_PORT);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new Refusal(`PORT=${process.env['PORT']} is no port.`);
  }
  const databaseUrl = process.env['DATABASE_URL'] || undefined;
  return { ...values, port, databaseUrl };
}

/**
 * Stops the system on Ctrl-C, SIGTERM, or the end of the process that started us. Only a second
 * Ctrl-C leaves at once: supervisors repeat the other signals, and mean the same stop.
 */
function stopOnSignals(system: LocalSystem): void {
  let pressedAt: number | undefined;
  const stop = () => {
    if (system.stopSignal.aborted) return;
    const most = tellMs(AGENT_DRAIN_MS);
    say(`\nstopping: the agent finishes its job or gives it back after ${most}, then the Worker,`);
    say('then PostgreSQL… (Ctrl-C again leaves at once)');
    void system.stop().then(() => {
      say('stopped.');
      process.exit(0);
    });
  };
  process.on('SIGINT', () => {
    const now = performance.now();
    if (pressedAt !== undefined && now - pressedAt > SAME_KEY_MS) process.exit(130);
    pressedAt ??= now;
    stop();
  });
  process.on('SIGTERM', stop);
  process.on('SIGHUP', stop);
  const parent = Number(process.env['TESSERA_BOOTSTRAP_PID']);
  if (process.ppid !== parent) return;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    stop();
  }, ORPHAN_CHECK_MS);
  timer.unref();
}

function printSummary(system: LocalSystem): void {
  const { baseUrl } = system.credentials;
  const local = join(system.data, 'local.json');
  say(`
Tessera is at ${baseUrl}   (reference: ${baseUrl}/docs)
  chat with its bots: ${system.chatUrl}
  API key, admin key, agent token: ${local}
  logs: ${join(system.data, 'logs')}

  KEY=$(sed -n 's/.*"apiKey": "\\(.*\\)".*/\\1/p' ${local})
  curl -s ${baseUrl}/v1/jobs -H "authorization: Bearer $KEY" -H 'content-type: application/json' \\
    -d '{"type":"image","prompt":"a lighthouse in a storm","width":512,"height":512}'

Ctrl-C stops.`);
}

async function main(): Promise<void> {
  const startedAt = performance.now();
  const options = readOptions();
  if (options.help) {
    say(USAGE);
    return;
  }
  const system = new LocalSystem({ ...options, chat: true, print: say });
  stopOnSignals(system);
  await system.start();
  say(`· ready in ${tellMs(performance.now() - startedAt)}`);
  if (system.parts.agent !== undefined) {
    await runFirstJob(system, say).catch((error: unknown) => {
      if (error instanceof Stopped) throw error;
      say(`! ${error instanceof Error ? error.message : String(error)}`);
    });
  }
  printSummary(system);
}

try {
  await main();
} catch (error) {
  // Whoever asked to stop waits for the parts, then leaves.
  if (!(error instanceof Stopped)) {
    const known =
      error instanceof Refusal || (error as { code?: string }).code?.startsWith('ERR_PARSE');
    say(known === true ? (error as Error).message : String((error as Error).stack ?? error));
    process.exit(1);
  }
}
