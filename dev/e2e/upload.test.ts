/**
 * A result of 37 MB on its way through the whole system, while the agent and the Worker are killed
 * in the middle of its parts. What the agent sends is counted by a proxy between the two.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, request as openRequest } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { JobView } from '#schema/api.ts';
import { UPLOAD_PART_BYTES } from '#schema/limits.ts';
import { call, isTerminal } from '../api.ts';
import { findFreePort } from '../port.ts';
import { removePostgresData } from '../postgres-home.ts';
import { quiet } from '../progress.ts';
import { LocalSystem } from '../system.ts';

/** The song is composed first, and whoever was killed comes back after a pause. */
const ENDS = { timeout: 200_000, interval: 250 };
const TEST_MS = 240_000;
/** So many seconds of stereo in 16 bits are 37 MB: three parts. */
const SONG = {
  type: 'music',
  model: 'composer',
  prompt: 'a slow waltz',
  duration_s: 210,
  format: 'wav',
} as const;
/** A part is in the middle when so much of it has passed. */
const MIDDLE_BYTES = UPLOAD_PART_BYTES / 16;

/** Passes the agent's requests on, and counts the bodies of parts. */
class PartCounter {
  /** Bytes of each part that the agent has sent, all tries together. */
  readonly bytes = new Map<number, number>();
  /** Called once for each part, in the middle of it. */
  onMiddle: (part: number) => void = () => {};
  readonly #server: Server;
  readonly #target: number;
  readonly #told = new Set<number>();

  constructor(target: number) {
    this.#target = target;
    this.#server = createServer((request, response) => this.#pass(request, response));
    // Calls go as requests then: their bytes are what is counted here.
    this.#server.on('upgrade', (_, socket) => socket.destroy());
  }

  listen(port: number): Promise<void> {
    return new Promise((resolve) => this.#server.listen(port, '127.0.0.1', resolve));
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #pass(request: IncomingMessage, response: ServerResponse): void {
    const { method, url, headers } = request;
    const to = openRequest({ host: '127.0.0.1', port: this.#target, method, path: url, headers });
    to.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response).on('error', () => answer.destroy());
      answer.on('error', () => response.destroy());
    });
    // Either side may be killed: the other one sees its connection break.
    to.on('error', () => response.destroy());
    response.on('close', () => to.destroy());
    request.on('error', () => to.destroy());
    const part = Number(/\/parts\/(\d+)$/.exec(url ?? '')?.[1] ?? 0);
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      if (part === 0) return;
      bytes += chunk.length;
      this.bytes.set(part, (this.bytes.get(part) ?? 0) + chunk.length);
      if (bytes < MIDDLE_BYTES || this.#told.has(part)) return;
      this.#told.add(part);
      this.onMiddle(part);
    });
    request.pipe(to);
  }
}

let data: string;
let system: LocalSystem;
let counter: PartCounter;

beforeAll(async () => {
  data = mkdtempSync(join(tmpdir(), 'tessera-upload-'));
  const port = await findFreePort();
  const between = await findFreePort();
  counter = new PartCounter(port);
  await counter.listen(between);
  const agentEnv = { TESSERA_URL: `http://127.0.0.1:${between}` };
  system = new LocalSystem({ data, port, site: false, agentEnv, print: quiet });
  await system.start();
});

afterAll(async () => {
  await system.stop();
  counter.close();
  removePostgresData(join(data, 'postgres'));
  rmSync(data, { recursive: true, force: true });
});

it(
  'a large result arrives whole although agent and Worker die in the middle of each part',
  async () => {
    const { baseUrl, apiKey: bearer } = system.credentials;
    const victims = ['agent', 'edge', 'agent'] as const;
    counter.onMiddle = (part) => system.parts[victims[part - 1]!]?.kill();

    const submitted = await call(`${baseUrl}/v1/jobs`, { method: 'POST', bearer, body: SONG });
    const { id } = JobView.parse(submitted);
    const job = await vi.waitFor(async () => {
      const found = JobView.parse(await call(`${baseUrl}/v1/jobs/${id}`, { bearer }));
      expect(isTerminal(found)).toBe(true);
      return found;
    }, ENDS);
    expect(job).toMatchObject({ status: 'completed', error: null });

    const [artifact] = job.artifacts;
    const bytes = Buffer.from(await (await fetch(artifact!.url)).arrayBuffer());
    expect(bytes.length).toBe(artifact!.bytes);
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(artifact!.sha256);

    const sizes = victims.map((_, index) =>
      Math.min(UPLOAD_PART_BYTES, bytes.length - index * UPLOAD_PART_BYTES),
    );
    expect([...counter.bytes.keys()]).toEqual([1, 2, 3]);
    for (const [index, size] of sizes.entries()) {
      const sent = counter.bytes.get(index + 1)!;
      expect(sent, `part ${index + 1} was cut once`).toBeGreaterThan(size);
      expect(sent, `part ${index + 1} was sent again once at most`).toBeLessThanOrEqual(2 * size);
    }
    const log = readFileSync(join(data, 'logs', 'agent.log'), 'utf8');
    const starts = log.split('\n').filter((line) => line.includes('"job.start"'));
    expect(starts, 'the engine ran once').toHaveLength(1);
  },
  TEST_MS,
);
