import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { JobView } from '#schema/api.ts';
import { runFirstJob } from './first-job.ts';
import { quiet, Stopped } from './progress.ts';

const AT = '2026-01-01T00:00:00.000Z';
const FAILED: JobView = {
  id: 'job_01m8283s30rzcfw1nmpre1stgj_main',
  type: 'image',
  status: 'failed',
  sequence: 3,
  model: 'painter',
  created_at: AT,
  started_at: AT,
  finished_at: AT,
  progress: null,
  queue: null,
  cost: { held: 1, settled: 0 },
  attempt: 1,
  cancel_requested: false,
  parameters: {},
  metadata: {},
  artifacts: [],
  error: { code: 'internal', message: 'the engine fell over' },
};

let data: string;
let edge: Server;
let keys: unknown[];
let status: JobView['status'];
let ending: AbortController;
beforeEach(async () => {
  data = mkdtempSync(join(tmpdir(), 'tessera-first-'));
  keys = [];
  status = 'failed';
  ending = new AbortController();
  edge = createServer((request, response) => {
    if (request.method === 'POST') keys.push(request.headers['idempotency-key']);
    response.end(JSON.stringify({ ...FAILED, status }));
  });
  await new Promise<void>((resolve) => void edge.listen(0, '127.0.0.1', resolve));
});
afterEach(() => {
  edge.close();
  rmSync(data, { recursive: true });
});

async function run(): Promise<void> {
  const address = edge.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const baseUrl = `http://127.0.0.1:${port}`;
  const credentials = { baseUrl, apiKey: 'k', adminKey: 'a', agentToken: 't' };
  await runFirstJob({ data, baseUrl, credentials, stopSignal: ending.signal }, quiet);
}

it('is a new job after one that failed', async () => {
  await expect(run()).rejects.toThrow(/ended failed/);
  await expect(run()).rejects.toThrow(/ended failed/);
  expect(new Set(keys).size).toBe(2);
});

it('is the same job after a stop, which is no failure', async () => {
  status = 'running';
  setTimeout(() => ending.abort(), 100);
  await expect(run()).rejects.toBeInstanceOf(Stopped);
  expect(existsSync(join(data, 'first-job.png'))).toBe(false);
  const { key } = JSON.parse(readFileSync(join(data, 'first-job.json'), 'utf8')) as { key: string };
  ending = new AbortController();
  status = 'failed';
  await expect(run()).rejects.toThrow(/ended failed/);
  expect(keys).toEqual([key, key]);
});
