/** The one-file build of the agent, alone in a folder, against the edge's and an engine's doubles. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { Bell } from '../agent/doubles/clock.ts';
import { EdgeServer, TOKEN } from '../agent/doubles/edge-server.ts';
import { IMAGE_SPEC, TEXT_SPEC } from '../agent/doubles/spec.ts';
import { ComfyDouble } from '../agent/engines/doubles/comfyui.ts';
import { KoboldDouble } from '../agent/engines/doubles/koboldcpp.ts';
import { bundleAgent } from './bundle-agent.ts';

const BYTES_MAX = 8 * 1024 * 1024;
const IDLE_BYTES_MAX = 150 * 1024 * 1024;

let folder: string;
let script: string;
let bell: Bell;
let edge: EdgeServer;
let url: URL;
let child: ChildProcess | null = null;
let output: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bundle-'));
  script = join(folder, 'tessera-agent.mjs');
  expect(await bundleAgent(script)).toBeLessThan(BYTES_MAX);
});
afterAll(() => rm(folder, { recursive: true }));
beforeEach(async () => {
  bell = new Bell();
  edge = new EdgeServer(() => performance.now(), bell);
  url = await edge.start();
  output = '';
});
afterEach(async () => {
  if (child && child.exitCode === null && child.signalCode === null) {
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }
  await edge.stop();
});

function launch(env: Record<string, string>, args: string[] = []): Promise<unknown> {
  const started = spawn(process.execPath, [script, ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: '/usr/bin:/bin',
      HOME: folder,
      TESSERA_URL: url.href,
      TESSERA_AGENT_TOKEN: TOKEN,
      TESSERA_DATA: join(folder, 'data'),
      TESSERA_HEALTH_PORT: '0',
      ...env,
    },
  });
  child = started;
  for (const stream of [started.stdout, started.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      bell.ring();
    });
  }
  return once(started, 'close').then(([code]) => code as unknown);
}
const logged = (op: string) => bell.until(() => output.includes(`"op":"${op}"`));

it('serves with a server beside it, small, and needs no package', async () => {
  expect(await readdir(folder)).toEqual(['tessera-agent.mjs']);
  const kobold = new KoboldDouble();
  const exit = launch({ TESSERA_KOBOLDCPP_URL: (await kobold.start()).href });
  await logged('agent.start');
  await bell.until(() => edge.parked('acquire') === 1);
  const job = edge.model.submit(TEXT_SPEC);
  edge.wake();
  await logged('job.complete');
  expect(job.status).toBe('completed');
  const healthUrl = /"healthUrl":"([^"]+)"/.exec(output)![1]!;
  const health = (await (await fetch(healthUrl)).json()) as { memoryBytes: number };
  expect(health).toMatchObject({ status: 'ok', engines: [{ name: 'koboldcpp', up: true }] });
  expect(health.memoryBytes).toBeLessThan(IDLE_BYTES_MAX);
  child!.kill('SIGTERM');
  expect(await exit).toBe(0);
  expect(output).not.toContain('Warning');
  await kobold.stop();
});

it('says of ComfyUI what it lacks, and does not announce it', async () => {
  const comfyui = await ComfyDouble.start();
  const exit = launch({ TESSERA_COMFYUI_URL: comfyui.url.href });
  await bell.until(() => edge.parked('acquire') === 1);
  expect(output).toMatch(/"op":"engine.broken","engine":"comfyui","detail":"[^"]*sharp/);
  expect(edge.last('register')).toMatchObject({ capabilities: { engines: [] } });
  child!.kill('SIGTERM');
  expect(await exit).toBe(0);
  await comfyui.crash();
});

it('has the workflows of ComfyUI in it, and paints itself, with the package beside it', async () => {
  await symlink(join(import.meta.dirname, '..', 'node_modules'), join(folder, 'node_modules'));
  const comfyui = await ComfyDouble.start();
  const exit = launch({
    TESSERA_COMFYUI_URL: comfyui.url.href,
    TESSERA_ENGINES: 'comfyui,painter',
  });
  await bell.until(() => edge.parked('acquire') === 1);
  const [{ models } = { models: [] }] = (
    edge.last('register') as { capabilities: { engines: { models: string[] }[] } }
  ).capabilities.engines;
  expect(models).toContain('sdxl');
  const job = edge.model.submit({ ...IMAGE_SPEC, width: 128, height: 128, steps: 2 });
  edge.wake();
  await logged('job.complete');
  expect(job.status).toBe('completed');
  child!.kill('SIGTERM');
  expect(await exit).toBe(0);
  await comfyui.crash();
});
