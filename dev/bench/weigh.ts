/**
 * Bytes that a pool's state takes in workerd: a Worker that holds it (weigh-worker.ts), asked by
 * the inspector for its heap after a collection, with the jobs and without them.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { convertV4MiniflareOptions, Miniflare } from 'miniflare';
import { WebSocket } from 'ws';

const NAME = 'weigh';
const ANSWER_MS = 20_000;
const ROOT = join(import.meta.dirname, '..', '..');

/** Heap bytes of the state of so many waiting jobs, for each size. */
export async function weighInWorkerd(sizes: readonly number[]): Promise<number[]> {
  const script = bundle();
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: '127.0.0.1',
      port: 0,
      inspectorPort: 0,
      cf: false,
      telemetry: { enabled: false },
      workers: [
        { name: NAME, modules: [{ type: 'ESModule', path: 'worker.js', contents: script }] },
      ],
    }),
  );
  try {
    const url = await miniflare.ready;
    const ask = async (method: 'GET' | 'POST', waiting = 0) => {
      const answer = await fetch(new URL(`/${waiting}`, url), { method });
      if (!answer.ok) throw new Error(`the Worker answered ${answer.status}`);
      await answer.arrayBuffer();
    };
    const inspector = await Inspector.open(await miniflare.getInspectorURL());
    const weights: number[] = [];
    for (const waiting of sizes) {
      await ask('POST', 0);
      const empty = await inspector.heapBytes(() => ask('GET'));
      await ask('POST', waiting);
      weights.push((await inspector.heapBytes(() => ask('GET'))) - empty);
    }
    inspector.close();
    return weights;
  } finally {
    await miniflare.dispose();
  }
}

function bundle(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-weigh-'));
  try {
    const file = join(folder, 'worker.js');
    const entry = join(import.meta.dirname, 'weigh-worker.ts');
    const flags = ['--bundle', '--format=esm', '--target=esnext', `--outfile=${file}`];
    const program = join(ROOT, 'node_modules', '.bin', 'esbuild');
    const built = spawnSync(program, [entry, ...flags], { cwd: ROOT, encoding: 'utf8' });
    if (built.status !== 0) throw new Error(`esbuild failed: ${built.stderr}`);
    return readFileSync(file, 'utf8');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Target {
  readonly id: string;
  readonly webSocketDebuggerUrl: string;
}

/** The two calls of the inspector's protocol that weigh a heap. */
class Inspector {
  readonly #socket: WebSocket;
  #id = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  static async open(base: URL): Promise<Inspector> {
    const list = new URL('/json', base);
    list.protocol = 'http:';
    const targets = (await (await fetch(list)).json()) as Target[];
    const target = targets.find(({ id }) => id.endsWith(`:${NAME}`))?.webSocketDebuggerUrl;
    if (target === undefined) throw new Error('the inspector shows no Worker');
    const socket = new WebSocket(target);
    await new Promise<void>((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    return new Inspector(socket);
  }

  async heapBytes(wake: () => Promise<void>): Promise<number> {
    // workerd collects when the Worker runs next.
    const collected = this.#call('HeapProfiler.collectGarbage');
    await wake();
    await collected;
    const { usedSize } = (await this.#call('Runtime.getHeapUsage')) as { usedSize: number };
    return usedSize;
  }

  close(): void {
    this.#socket.close();
  }

  #call(method: string): Promise<unknown> {
    const id = (this.#id += 1);
    return new Promise((resolve, reject) => {
      setTimeout(() => reject(new Error(`${method}: no answer`)), ANSWER_MS).unref();
      const take = (data: Buffer) => {
        const answer = JSON.parse(data.toString('utf8')) as {
          id?: number;
          result?: unknown;
          error?: { message: string };
        };
        if (answer.id !== id) return;
        this.#socket.off('message', take);
        if (answer.error === undefined) resolve(answer.result);
        else reject(new Error(`${method}: ${answer.error.message}`));
      };
      this.#socket.on('message', take);
      this.#socket.send(JSON.stringify({ id, method }));
    });
  }
}
