/**
 * Child process of the launcher: PostgreSQL and the bridge to it, as one part.
 *
 * Ends, non-zero, as soon as the server ends; the launcher starts it again on the same ports.
 * With DATABASE_URL it runs only the bridge to that server. Asked to stop (SIGTERM, or the
 * launcher is gone) it shuts the server down fast and exits 0.
 */
import { startBridge } from './database-bridge.ts';
import { startPostgres } from './postgres.ts';
import { Refusal, say } from './progress.ts';

/** What the launcher passes as the only argument, as JSON. */
export type DatabaseOrder =
  | { kind: 'embedded'; dataDir: string; port: number; bridgePort: number; throwaway?: boolean }
  | { kind: 'external'; host: string; port: number; bridgePort: number };

async function main(order: DatabaseOrder): Promise<void> {
  if (order.kind === 'external') {
    const bridge = await startBridge(order.bridgePort, { host: order.host, port: order.port });
    process.once('SIGTERM', () => void bridge.close().finally(() => process.exit(0)));
    process.send?.({ ready: true });
    return;
  }
  const stop = new AbortController();
  // Repeated requests mean the same: the launcher's, then the leash's when it is gone.
  process.on('SIGTERM', () => stop.abort());
  const postgres = await startPostgres({
    ...order,
    print: say,
    log: say,
    signal: stop.signal,
  }).catch((error: unknown) => {
    if (stop.signal.aborted) process.exit(0);
    throw error;
  });
  void postgres.exited.then(() => process.exit(stop.signal.aborted ? 0 : 1));
  if (stop.signal.aborted) return postgres.stop();
  stop.signal.addEventListener('abort', () => void postgres.stop());
  await startBridge(order.bridgePort, { host: '127.0.0.1', port: postgres.port });
  process.send?.({ ready: true, url: postgres.url });
}

try {
  await main(JSON.parse(process.argv[2] ?? '') as DatabaseOrder);
} catch (error) {
  say(error instanceof Refusal ? error.message : String((error as Error).stack ?? error));
  process.exit(1);
}
