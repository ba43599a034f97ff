/**
 * Child process of the launcher: the Worker in workerd, as production runs it.
 *
 * Runs the bundle that `wrangler deploy` would upload with Miniflare, configured by wrangler.toml:
 * no proxy in front and no line per request, so four times the requests of `wrangler dev`.
 * Durable Objects and R2 persist in the state folder. When workerd dies, this process ends
 * non-zero and the launcher starts both again. Crons fire here by the clock, since nothing else
 * does locally.
 */
import { readdirSync } from 'node:fs';
import { extname, join } from 'node:path';
import { convertV4MiniflareOptions, Miniflare, type V4WorkerOptions } from 'miniflare';
import { unstable_getMiniflareWorkerOptions } from 'wrangler';
import { say } from './progress.ts';

/** What the launcher passes in TESSERA_EDGE, as JSON: it holds secrets, so never an argument. */
export type EdgeOrder = {
  port: number;
  /** Folder of the bundle: worker.js and what it imports. */
  bundleDir: string;
  stateDir: string;
  assetsDir: string;
  bindings: Record<string, string>;
};

/** What we read of the options, which wrangler leaves untyped. */
type WorkerOptions = {
  bindings?: Record<string, string>;
  cronTriggers?: readonly string[];
  modulesRules?: unknown;
};

const MODULE_TYPES: Record<string, 'CompiledWasm' | 'Text' | 'Data'> = {
  '.wasm': 'CompiledWasm',
  '.txt': 'Text',
  '.html': 'Text',
  '.sql': 'Text',
  '.bin': 'Data',
};

const ROOT = join(import.meta.dirname, '..');
const MINUTE_MS = 60_000;
/** Where Miniflare's entry, on a port of its own, takes a cron. */
const CRON_URL = 'http://127.0.0.1/cdn-cgi/local/scheduled';

async function main(order: EdgeOrder): Promise<void> {
  const config = unstable_getMiniflareWorkerOptions(join(ROOT, 'wrangler.toml'), undefined, {
    overrides: { assets: { directory: order.assetsDir } },
  });
  const workerOptions = config.workerOptions as WorkerOptions;
  const { modulesRules: _, ...others } = workerOptions;
  const worker = {
    ...others,
    name: 'tessera',
    modulesRoot: order.bundleDir,
    modules: listModules(order.bundleDir),
    bindings: { ...others.bindings, ...order.bindings },
  } as V4WorkerOptions;
  // A socket of workerd that leads to the Worker itself: Miniflare's entry and its router of
  // static files are three more Workers on the way of each request. The app serves the files.
  const door = {
    name: 'door',
    modules: [{ type: 'ESModule', path: 'door.js', contents: 'export default {}' }],
    compatibilityDate: worker.compatibilityDate,
    unsafeDirectSockets: [{ host: '127.0.0.1', port: order.port, serviceName: worker.name }],
  } as V4WorkerOptions;
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: '127.0.0.1',
      port: 0,
      cf: false,
      logRequests: false,
      telemetry: { enabled: false },
      resourcePersistencePath: order.stateDir,
      unsafeTriggerHandlers: true,
      handleStructuredLogs: ({ message }) => say(message),
      unsafeHandleRuntimeRestart: () => {
        say('workerd died');
        process.exit(1);
      },
      workers: [worker, door],
    }),
  );
  let disposing: Promise<void> | undefined;
  process.on('SIGTERM', () => {
    disposing ??= miniflare.dispose().finally(() => process.exit(0));
  });
  await miniflare.ready;
  process.send?.({ ready: true });
  runCrons(miniflare, workerOptions.cronTriggers ?? []);
}

/** The bundle's entry first, then the modules that it imports as files. */
function listModules(dir: string) {
  const others = readdirSync(dir).flatMap((name) => {
    const type = MODULE_TYPES[extname(name)];
    return type === undefined ? [] : [{ type, path: join(dir, name) }];
  });
  return [{ type: 'ESModule', path: join(dir, 'worker.js') }, ...others];
}

/**
 * Calls the scheduled handler when a cron is due: the forms "*" and "*\/N" of the minute. By a
 * request: Miniflare's own proxy of a Worker stops this process until workerd answers, while a
 * workerd that logs much waits for this process to read.
 */
function runCrons(miniflare: Miniflare, crons: readonly string[]): void {
  const everyMinutes = crons.map((cron) => {
    const found = /^\*(?:\/(\d+))? \* \* \* \*$/.exec(cron);
    if (found === null) throw new Error(`dev/edge.ts does not know the cron form "${cron}"`);
    return { cron, minutes: Number(found[1] ?? 1) };
  });
  const fire = async (now: number) => {
    for (const { cron, minutes } of everyMinutes) {
      if (Math.round(now / MINUTE_MS) % minutes !== 0) continue;
      const query = new URLSearchParams({ cron, time: String(now) });
      const answer = await miniflare.dispatchFetch(`${CRON_URL}?${query.toString()}`);
      const outcome = await answer.text();
      if (!answer.ok) say(`cron failed: ${outcome}`);
    }
  };
  const arm = () => {
    const now = Date.now();
    const next = (Math.floor(now / MINUTE_MS) + 1) * MINUTE_MS;
    setTimeout(() => {
      fire(next).catch((error: unknown) => say(`cron failed: ${String(error)}`));
      arm();
    }, next - now);
  };
  arm();
}

await main(JSON.parse(process.env['TESSERA_EDGE'] ?? '') as EdgeOrder);
