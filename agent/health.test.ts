import { afterEach, beforeEach, expect, it } from 'vitest';
import type { HealthServer, HealthSource } from './health.ts';
import { serveHealth } from './health.ts';

let status: ReturnType<HealthSource['health']>['status'] = 'ok';
let server: HealthServer;
const source: HealthSource = {
  health: () => ({ status, version: '1' }),
  capabilities: () => ({ gpu: null, engines: [] }),
  metrics: () => Promise.resolve({ contentType: 'text/plain; version=0.0.4', text: 'up 1\n' }),
};
beforeEach(async () => {
  status = 'ok';
  server = await serveHealth(source, 0);
});
afterEach(() => server.close());

const get = (path: string, init?: RequestInit) =>
  fetch(`http://127.0.0.1:${server.port}${path}`, init);

it.each([
  ['ok', 200],
  ['degraded', 503],
  ['draining', 503],
] as const)('answers /health %s with %i', async (now, code) => {
  status = now;
  const response = await get('/health');
  expect(response.status).toBe(code);
  expect(await response.json()).toEqual({ status: now, version: '1' });
});

it('answers /capabilities as JSON and /metrics as text', async () => {
  expect(await (await get('/capabilities')).json()).toEqual({ gpu: null, engines: [] });
  const metrics = await get('/metrics');
  expect(metrics.headers.get('content-type')).toContain('version=0.0.4');
  expect(await metrics.text()).toBe('up 1\n');
});

it('knows no other path, and nothing but reading', async () => {
  expect((await get('/')).status).toBe(404);
  expect((await get('/health', { method: 'POST' })).status).toBe(405);
  expect((await get('/health', { method: 'HEAD' })).status).toBe(200);
});

it('rejects when its port is taken', async () => {
  await expect(serveHealth(source, server.port)).rejects.toThrow('EADDRINUSE');
});
