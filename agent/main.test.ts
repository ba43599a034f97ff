/** The agent as a process of its own, against the edge's double. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Bell } from './doubles/clock.ts';
import { EdgeServer, TOKEN } from './doubles/edge-server.ts';
import { freePort, membersOf, untilSo } from './doubles/group.ts';
import { IMAGE_SPEC, TEXT_SPEC } from './doubles/spec.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const SERVER = fileURLToPath(new URL('engines/doubles/server.ts', import.meta.url));
const IDLE_BYTES_MAX = 150 * 1024 * 1024;

let bell: Bell;
let server: EdgeServer;
let url: URL;
let data: string;
let child: ChildProcess | null = null;
let output: string;

beforeEach(async () => {
  bell = new Bell();
  server = new EdgeServer(() => performance.now(), bell);
  url = await server.start();
  data = await mkdtemp(join(tmpdir(), 'tessera-main-'));
  output = '';
});
afterEach(async () => {
  if (child && child.exitCode === null && child.signalCode === null) {
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }
  child = null;
  await server.stop();
  await rm(data, { recursive: true, force: true });
});

/** Starts the agent, or one of its commands; answers its exit code. */
function launch(env: Record<string, string> = {}, args: string[] = []): Promise<number | null> {
  const started = fork(MAIN, args, {
    silent: true,
    execArgv: [],
    env: {
      PATH: '/usr/bin:/bin',
      HOME: data,
      TESSERA_URL: url.href,
      TESSERA_AGENT_TOKEN: TOKEN,
      TESSERA_DATA: data,
      TESSERA_HEALTH_PORT: '0',
      TESSERA_ENGINES: 'painter',
      ...env,
    },
  });
  child = started;
  const ends = [started.stdout, started.stderr].flatMap((stream) => {
    stream?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      bell.ring();
    });
    return stream ? [once(stream, 'end')] : [];
  });
  // 'close' does not come once the channel is cut.
  const exit = new Promise<number | null>((resolve) => started.once('exit', resolve));
  return Promise.all(ends).then(() => exit);
}

const idle = () => bell.until(() => server.parked('acquire') === 1);
const logged = (op: string) => bell.until(() => output.includes(`"op":"${op}"`));

async function ask(path: string): Promise<Response> {
  await logged('agent.start');
  const origin = /"healthUrl":"([^"]+)\/health"/.exec(output)?.[1];
  return fetch(`${origin}${path}`);
}

it('waits small and quiet, tells its health, and leaves at once on SIGTERM', async () => {
  await mkdir(join(data, 'scratch', 'left-over'), { recursive: true });
  await writeFile(join(data, 'scratch', 'left-over', 'file'), 'x');
  const exit = launch();
  await idle();
  expect(await readdir(join(data, 'scratch'))).toEqual([]);
  const health = await ask('/health');
  expect(health.status).toBe(200);
  const body = (await health.json()) as { memoryBytes: number };
  expect(body).toMatchObject({ status: 'ok', pools: [{ registered: true }], jobs: [] });
  expect(body.memoryBytes).toBeLessThan(IDLE_BYTES_MAX);
  expect(await (await ask('/capabilities')).json()).toMatchObject({
    engines: [{ engine: 'painter', models: ['painter'] }],
  });
  expect(await (await ask('/metrics')).text()).toContain('tessera_agent_registered{pool="main"} 1');
  child?.kill('SIGTERM');
  expect(await exit).toBe(0);
  expect(server.left.size).toBe(1);
  expect(output).toContain('"op":"agent.exit"');
  expect(output).not.toContain(TOKEN);
});

it('paints a picture with a real engine and delivers it', async () => {
  const exit = launch();
  await idle();
  const job = server.model.submit({ ...IMAGE_SPEC, width: 256, height: 256, steps: 4 });
  server.wake();
  await logged('job.complete');
  expect(job.status).toBe('completed');
  expect(job.artifacts).toMatchObject([{ contentType: 'image/png', width: 256, height: 256 }]);
  expect(output).not.toContain(IMAGE_SPEC.prompt);
  child?.kill('SIGTERM');
  expect(await exit).toBe(0);
});

it('leaves when the process that launched it is gone', async () => {
  const exit = launch();
  await idle();
  child?.disconnect();
  expect(await exit).toBe(0);
});

it('leaves at once on the second signal', async () => {
  const exit = launch();
  await idle();
  server.model.submit({ ...IMAGE_SPEC, width: 2048, height: 2048, steps: 150 });
  server.wake();
  await logged('job.start');
  child?.kill('SIGINT');
  await logged('session.drain');
  const again = setInterval(() => child?.kill('SIGINT'), 50);
  expect(await exit).toBe(1);
  clearInterval(again);
});

it('takes copies of one signal as one', async () => {
  const exit = launch({ TESSERA_DRAIN_MS: '0' });
  await idle();
  server.model.submit({ ...IMAGE_SPEC, width: 2048, height: 2048, steps: 150 });
  server.wake();
  await logged('job.start');
  for (let copy = 0; copy < 3; copy++) child?.kill('SIGTERM');
  expect(await exit).toBe(0);
  expect(output).toContain('"op":"job.return"');
});

it('does not touch the folder of an agent that runs', async () => {
  const first = launch();
  await idle();
  const running = child;
  await mkdir(join(data, 'scratch', 'in-use'), { recursive: true });
  expect(await launch()).toBe(1);
  expect(output).toContain('another agent uses this folder');
  expect(await readdir(join(data, 'scratch'))).toEqual(['in-use']);
  running?.kill('SIGTERM');
  expect(await first).toBe(0);
});

it('gives its job up when it was stopped for longer than its lease, and tells nobody', async () => {
  server.model.leaseMs = 1500;
  const exit = launch();
  await idle();
  const job = server.model.submit({ ...IMAGE_SPEC, width: 2048, height: 2048, steps: 150 });
  server.wake();
  await logged('job.start');
  child?.kill('SIGSTOP');
  // The lease's own clock is the only one there is in another process.
  await new Promise((resolve) => setTimeout(resolve, 1600));
  child?.kill('SIGCONT');
  await logged('job.lost');
  await bell.until(() => job.token === 2);
  expect(job.ends).toEqual([]);
  expect(server.stored.size).toBe(0);
  child?.kill('SIGKILL');
  await exit;
});

it('tells how it does, and leaves when it is told to by its command', async () => {
  expect(await launch({}, ['status'])).toBe(3);
  const exit = launch();
  await idle();
  const running = child;
  expect(await launch({}, ['status'])).toBe(0);
  expect(output).toMatch(/^ok: agent .+\npool {4}main: registered\nengine {2}painter: there$/m);
  expect(await launch({}, ['drain'])).toBe(0);
  expect(await exit).toBe(0);
  expect(running?.exitCode).toBe(0);
  expect(await readdir(data)).not.toContain('running.json');
});

it('may be told to leave twice, and still leaves in order', async () => {
  const exit = launch({ TESSERA_DRAIN_MS: '3000' });
  await idle();
  const running = child;
  server.model.submit({ ...IMAGE_SPEC, width: 2048, height: 2048, steps: 150 });
  server.wake();
  await logged('job.start');
  const first = launch({}, ['drain']);
  await bell.until(() => output.includes('was told to leave'));
  await logged('agent.stop');
  // Later than copies of one signal come.
  await new Promise((settle) => setTimeout(settle, 300));
  expect(await launch({}, ['drain'])).toBe(0);
  expect(output).toContain('leaves already');
  expect([await first, await exit, running?.exitCode]).toEqual([0, 0, 0]);
});

it('shows nothing of another agent that has the port of one that was killed', async () => {
  const exit = launch();
  await idle();
  const running = child;
  const healthUrl = /"healthUrl":"([^"]+)"/.exec(output)?.[1];
  await writeFile(join(data, 'running.json'), JSON.stringify({ pid: 1, healthUrl }));
  expect(await launch({}, ['status'])).toBe(1);
  expect(output).toContain('does not tell how it does');
  running?.kill('SIGTERM');
  expect(await exit).toBe(0);
});

it('writes no settings when its questions are not answered', async () => {
  const asking = launch({}, ['init', '--no-unit']);
  child?.stdin?.end();
  expect(await asking).toBe(2);
  expect(output).toMatch(/^TESSERA_URL: /m);
});

it('starts an engine by its command, serves with it, and takes it along', async () => {
  const port = await freePort();
  const order = JSON.stringify({ serves: 'text', port });
  const exit = launch({
    TESSERA_ENGINES: 'koboldcpp',
    TESSERA_KOBOLDCPP_URL: `http://127.0.0.1:${port}`,
    TESSERA_KOBOLDCPP_COMMAND: `env > '${data}/seen'; exec '${process.execPath}' '${SERVER}' '${order}'`,
  });
  await idle();
  const job = server.model.submit(TEXT_SPEC);
  server.wake();
  await logged('job.complete');
  expect(job.status).toBe('completed');
  const started = /"op":"engine.start","engine":"koboldcpp","pid":(\d+)/.exec(output)?.[1];
  expect((await membersOf(Number(started))).length).toBeGreaterThan(1);
  child?.kill('SIGKILL');
  await exit;
  await untilSo(async () => (await membersOf(Number(started))).length === 0);
  expect(await readFile(join(data, 'seen'), 'utf8')).not.toContain('TESSERA');
});

it('has a job run again when its engine is killed under it, with the engine started anew', async () => {
  const [port, moodFile] = [await freePort(), join(data, 'mood')];
  await writeFile(moodFile, 'stall');
  const order = JSON.stringify({ serves: 'text', port, moodFile });
  const exit = launch({
    TESSERA_ENGINES: 'koboldcpp',
    TESSERA_KOBOLDCPP_URL: `http://127.0.0.1:${port}`,
    TESSERA_KOBOLDCPP_COMMAND: `exec '${process.execPath}' '${SERVER}' '${order}'`,
  });
  await idle();
  const job = server.model.submit(TEXT_SPEC);
  server.wake();
  await bell.until(() => server.texts.size > 0);
  await writeFile(moodFile, '');
  const group = Number(/"op":"engine.start","engine":"koboldcpp","pid":(\d+)/.exec(output)?.[1]);
  process.kill(-group, 'SIGKILL');
  await logged('job.complete');
  expect(job).toMatchObject({ status: 'completed', attempt: 2 });
  expect(output).toContain('"op":"engine.crash"');
  child?.kill('SIGTERM');
  expect(await exit).toBe(0);
});

it('refuses what is no command of it', async () => {
  expect(await launch({}, ['dance'])).toBe(2);
});

it('says which settings are missing and leaves with 2', async () => {
  expect(await launch({ TESSERA_URL: '', TESSERA_AGENT_TOKEN: 'x' })).toBe(2);
  expect(output).toMatch(/^TESSERA_URL: .+\nTESSERA_AGENT_TOKEN: .+\n$/);
});

it('says what to do about a token that the edge refuses and leaves with 2', async () => {
  const stranger = TOKEN.replace(/s+$/, 't'.repeat(43));
  expect(await launch({ TESSERA_AGENT_TOKEN: stranger })).toBe(2);
  expect(output).toContain('make a new one');
});
