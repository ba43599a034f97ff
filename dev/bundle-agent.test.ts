/** The one-file build of the agent, alone in a folder, against the edge's and an engine's doubles. */
import { spawn } from 'node:child_process';
import { mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { AgentBench } from '../agent/doubles/agent-bench.ts';
import { IMAGE_SPEC, TEXT_SPEC } from '../agent/doubles/spec.ts';
import { ComfyDouble } from '../agent/engines/doubles/comfyui.ts';
import { KoboldDouble } from '../agent/engines/doubles/koboldcpp.ts';
import { OldHttp } from '../agent/engines/doubles/old-http.ts';
import { bundleAgent } from './bundle-agent.ts';

const BYTES_MAX = 8 * 1024 * 1024;
const IDLE_BYTES_MAX = 150 * 1024 * 1024;

const bench = new AgentBench();
const { idle, logged } = bench;
let folder: string;
let script: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bundle-'));
  script = join(folder, 'tessera-agent.mjs');
  expect(await bundleAgent(script)).toBeLessThan(BYTES_MAX);
});
afterAll(() => rm(folder, { recursive: true }));

function launch(env: Record<string, string>, args: string[] = []): Promise<number | null> {
  const all = { ...bench.environment(), ...env };
  const stdio = ['ignore', 'pipe', 'pipe'] as const;
  return bench.watch(
    spawn(process.execPath, [script, ...args], { cwd: folder, stdio: [...stdio], env: all }),
  );
}

it('serves with a server beside it, small, and needs no package', async () => {
  expect(await readdir(folder)).toEqual(['tessera-agent.mjs']);
  const kobold = new KoboldDouble();
  const exit = launch({ TESSERA_KOBOLDCPP_URL: (await kobold.start()).href });
  await logged('agent.start');
  await idle();
  const job = bench.edge.model.submit(TEXT_SPEC);
  bench.edge.wake();
  await logged('job.complete');
  expect(job.status).toBe('completed');
  const healthUrl = /"healthUrl":"([^"]+)"/.exec(bench.output)![1]!;
  const health = (await (await fetch(healthUrl)).json()) as { memoryBytes: number };
  expect(health).toMatchObject({ status: 'ok', engines: [{ name: 'koboldcpp', up: true }] });
  expect(health.memoryBytes).toBeLessThan(IDLE_BYTES_MAX);
  bench.child!.kill('SIGTERM');
  expect(await exit).toBe(0);
  expect(bench.output).not.toContain('Warning');
  await kobold.stop();
});

it('outlives the doctor’s look at a large page whose end is the end of its connection', async () => {
  const kobold = new KoboldDouble();
  const old = new OldHttp(await kobold.start());
  const url = (await old.start()).href;
  expect(await launch({ TESSERA_KOBOLDCPP_URL: url }, ['doctor'])).not.toBe(null);
  expect(bench.output).toMatch(/^ok {4}koboldcpp +chat$/m);
  expect(bench.output).toMatch(/^ok {4}models +chat$/m);
  expect(bench.output).not.toContain('Error');
  await Promise.all([old.stop(), kobold.stop()]);
});

it('says in one line that a Node is too old', async () => {
  const fake = "Object.defineProperty(process, 'versions', { value: { node: '20.20.2' } });";
  const path = join(folder, 'old-node.mjs');
  await writeFile(path, fake);
  expect(await launch({ NODE_OPTIONS: `--import ${path}` }, ['doctor'])).toBe(2);
  expect(bench.output).toBe('tessera-agent needs Node 24 or newer; this is 20.20.2\n');
});

it('says of ComfyUI what it lacks, and does not announce it', async () => {
  const comfyui = await ComfyDouble.start();
  const exit = launch({ TESSERA_COMFYUI_URL: comfyui.url.href });
  await idle();
  expect(bench.output).toMatch(/"op":"engine.broken","engine":"comfyui","detail":"[^"]*sharp/);
  expect(bench.edge.last('register')).toMatchObject({ capabilities: { engines: [] } });
  bench.child!.kill('SIGTERM');
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
  await idle();
  const [{ models } = { models: [] }] = (
    bench.edge.last('register') as { capabilities: { engines: { models: string[] }[] } }
  ).capabilities.engines;
  expect(models).toContain('sdxl');
  const job = bench.edge.model.submit({ ...IMAGE_SPEC, width: 128, height: 128, steps: 2 });
  bench.edge.wake();
  await logged('job.complete');
  expect(job.status).toBe('completed');
  bench.child!.kill('SIGTERM');
  expect(await exit).toBe(0);
  await comfyui.crash();
});
