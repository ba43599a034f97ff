/** The agent as a process of its own, against the edge's double. */
import { fork } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { AgentBench } from './doubles/agent-bench.ts';
import { TOKEN } from './doubles/edge-server.ts';
import { freePort, membersOf, untilSo } from './doubles/group.ts';
import { IMAGE_SPEC, TEXT_SPEC } from './doubles/spec.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const SERVER = fileURLToPath(new URL('engines/doubles/server.ts', import.meta.url));
const IDLE_BYTES_MAX = 150 * 1024 * 1024;

const bench = new AgentBench();
const { idle, logged } = bench;

/** Starts the agent, or one of its commands; answers its exit code. */
function launch(env: Record<string, string> = {}, args: string[] = []): Promise<number | null> {
  const all = { ...bench.environment(), TESSERA_ENGINES: 'painter', ...env };
  return bench.watch(fork(MAIN, args, { silent: true, execArgv: [], env: all }));
}

async function ask(path: string): Promise<Response> {
  await logged('agent.start');
  const origin = /"healthUrl":"([^"]+)\/health"/.exec(bench.output)?.[1];
  return fetch(`${origin}${path}`);
}

it('waits small and quiet, tells its health, and leaves at once on SIGTERM', async () => {
  await mkdir(join(bench.home, 'scratch', 'left-over'), { recursive: true });
  await writeFile(join(bench.home, 'scratch', 'left-over', 'file'), 'x');
  const exit = launch();
  await idle();
  expect(await readdir(join(bench.home, 'scratch'))).toEqual([]);
  const health = await ask('/health');
  expect(health.status).toBe(200);
  const body = (await health.json()) as { memoryBytes: number };
  expect(body).toMatchObject({ status: 'ok', pools: [{ registered: true }], jobs: [] });
  expect(body.memoryBytes).toBeLessThan(IDLE_BYTES_MAX);
  expect(await (await ask('/capabilities')).json()).toMatchObject({
    engines: [{ engine: 'painter', models: ['painter'] }],
  });
  expect(await (await ask('/metrics')).text()).toContain('tessera_agent_registered{pool="main"} 1');
  bench.child?.kill('SIGTERM');
  expect(await exit).toBe(0);
  expect(bench.edge.left.size).toBe(1);
  expect(bench.output).toContain('"op":"agent.exit"');
  expect(bench.output).not.toContain(TOKEN);
});

it('paints a picture with a real engine and delivers it', async () => {
  const exit = launch();
  await idle();
  const job = bench.edge.model.submit({ ...IMAGE_SPEC, width: 256, height: 256, steps: 4 });
  bench.edge.wake();
  await logged('job.complete');
  expect(job.status).toBe('completed');
  expect(job.artifacts).toMatchObject([{ contentType: 'image/png', width: 256, height: 256 }]);
  expect(bench.output).not.toContain(IMAGE_SPEC.prompt);
  bench.child?.kill('SIGTERM');
  expect(await exit).toBe(0);
});

it('leaves with what to do when its folder cannot be written to', async () => {
  const file = join(bench.home, 'file');
  await mkdir(bench.home, { recursive: true });
  await writeFile(file, '');
  expect(await launch({ TESSERA_DATA: file })).toBe(1);
  expect(bench.output).toMatch(/"op":"agent\.no_data".*EEXIST.*"help":"[^"]*set TESSERA_DATA/);
  expect(bench.output).not.toContain('node:internal');
});

it('says that it has no engine, and how to find out why', async () => {
  const dead = `http://127.0.0.1:${await freePort()}`;
  const exit = launch({ TESSERA_ENGINES: 'koboldcpp', TESSERA_KOBOLDCPP_URL: dead });
  await idle();
  await logged('agent.no_models');
  expect(bench.output).toMatch(/"op":"engine\.silent".*ECONNREFUSED.*"help":"[^"]*doctor/);
  bench.child?.kill('SIGTERM');
  expect(await exit).toBe(0);
});

it('leaves when the process that launched it is gone', async () => {
  const exit = launch();
  await idle();
  bench.child?.disconnect();
  expect(await exit).toBe(0);
});

it('leaves at once on the second signal', async () => {
  const exit = launch();
  await idle();
  bench.edge.model.submit({ ...IMAGE_SPEC, width: 2048, height: 2048, steps: 150 });
  bench.edge.wake();
  await logged('job.start');
  bench.child?.kill('SIGINT');
  await logged('session.drain');
  const again = setInterval(() => bench.child?.kill('SIGINT'), 50);
  expect(await exit).toBe(1);
  clearInterval(again);
});

it('takes copies of one signal as one', async () => {
  const exit = launch({ TESSERA_DRAIN_MS: '0' });
  await idle();
  bench.edge.model.submit({ ...IMAGE_SPEC, width: 2048, height: 2048, steps: 150 });
  bench.edge.wake();
  await logged('job.start');
  for (let copy = 0; copy < 3; copy++) bench.child?.kill('SIGTERM');
  expect(await exit).toBe(0);
  expect(bench.output).toContain('"op":"job.return"');
});

it('does not touch the folder of an agent that runs', async () => {
  const first = launch();
  await idle();
  const running = bench.child;
  await mkdir(join(bench.home, 'scratch', 'in-use'), { recursive: true });
  expect(await launch()).toBe(1);
  expect(bench.output).toContain('another agent uses this folder');
  expect(await readdir(join(bench.home, 'scratch'))).toEqual(['in-use']);
  running?.kill('SIGTERM');
  expect(await first).toBe(0);
});

it('gives its job up when it was stopped for longer than its lease, and tells nobody', async () => {
  bench.edge.model.leaseMs = 1500;
  const exit = launch();
  await idle();
  const job = bench.edge.model.submit({ ...IMAGE_SPEC, width: 2048, height: 2048, steps: 150 });
  bench.edge.wake();
  await logged('job.start');
  bench.child?.kill('SIGSTOP');
  // The lease's own clock is the only one there is in another process.
  await new Promise((resolve) => setTimeout(resolve, 1600));
  bench.child?.kill('SIGCONT');
  await logged('job.lost');
  await bench.bell.until(() => job.token === 2);
  expect(job.ends).toEqual([]);
  expect(bench.edge.stored.size).toBe(0);
  bench.child?.kill('SIGKILL');
  await exit;
});

it('tells how it does, and leaves when it is told to by its command', async () => {
  expect(await launch({}, ['status'])).toBe(3);
  const exit = launch();
  await idle();
  const running = bench.child;
  expect(await launch({}, ['status'])).toBe(0);
  expect(bench.output).toMatch(
    /^ok: agent .+\npool {4}main: registered\nengine {2}painter: there$/m,
  );
  expect(await launch({}, ['drain'])).toBe(0);
  expect(await exit).toBe(0);
  expect(running?.exitCode).toBe(0);
  expect(await readdir(bench.home)).not.toContain('running.json');
});

it('may be told to leave twice, and still leaves in order', async () => {
  const exit = launch({ TESSERA_DRAIN_MS: '3000' });
  await idle();
  const running = bench.child;
  bench.edge.model.submit({ ...IMAGE_SPEC, width: 2048, height: 2048, steps: 150 });
  bench.edge.wake();
  await logged('job.start');
  const first = launch({}, ['drain']);
  await bench.bell.until(() => bench.output.includes('was told to leave'));
  await logged('agent.stop');
  // Later than copies of one signal come.
  await new Promise((settle) => setTimeout(settle, 300));
  expect(await launch({}, ['drain'])).toBe(0);
  expect(bench.output).toContain('leaves already');
  expect([await first, await exit, running?.exitCode]).toEqual([0, 0, 0]);
});

it('shows nothing of another agent that has the port of one that was killed', async () => {
  const exit = launch();
  await idle();
  const running = bench.child;
  const healthUrl = /"healthUrl":"([^"]+)"/.exec(bench.output)?.[1];
  await writeFile(join(bench.home, 'running.json'), JSON.stringify({ pid: 1, healthUrl }));
  expect(await launch({}, ['status'])).toBe(1);
  expect(bench.output).toContain('does not tell how it does');
  running?.kill('SIGTERM');
  expect(await exit).toBe(0);
});

it('writes no settings when its questions are not answered', async () => {
  const asking = launch({}, ['init', '--no-unit']);
  bench.child?.stdin?.end();
  expect(await asking).toBe(2);
  expect(bench.output).toMatch(/^TESSERA_URL: /m);
});

it('takes the answers to its questions from a pipe, however early they come', async () => {
  const config = join(bench.home, 'agent.json');
  const asking = launch({}, ['--config', config, 'init']);
  bench.child?.stdin?.end(`https://edge.example\n${TOKEN}\nn\n`);
  expect(await asking).toBe(0);
  expect(JSON.parse(await readFile(config, 'utf8'))).toMatchObject({
    url: 'https://edge.example',
    agentToken: TOKEN,
  });
});

it('starts an engine by its command, serves with it, and takes it along', async () => {
  const port = await freePort();
  const order = JSON.stringify({ serves: 'text', port });
  const exit = launch({
    TESSERA_ENGINES: 'koboldcpp',
    TESSERA_KOBOLDCPP_URL: `http://127.0.0.1:${port}`,
    TESSERA_KOBOLDCPP_COMMAND: `env > '${bench.home}/seen'; exec '${process.execPath}' '${SERVER}' '${order}'`,
  });
  await idle();
  const job = bench.edge.model.submit(TEXT_SPEC);
  bench.edge.wake();
  await logged('job.complete');
  expect(job.status).toBe('completed');
  const started = /"op":"engine.start","engine":"koboldcpp","pid":(\d+)/.exec(bench.output)?.[1];
  expect((await membersOf(Number(started))).length).toBeGreaterThan(1);
  bench.child?.kill('SIGKILL');
  await exit;
  await untilSo(async () => (await membersOf(Number(started))).length === 0);
  expect(await readFile(join(bench.home, 'seen'), 'utf8')).not.toContain('TESSERA');
});

it('has a job run again when its engine is killed under it, with the engine started anew', async () => {
  const [port, moodFile] = [await freePort(), join(bench.home, 'mood')];
  await writeFile(moodFile, 'stall');
  const order = JSON.stringify({ serves: 'text', port, moodFile });
  const exit = launch({
    TESSERA_ENGINES: 'koboldcpp',
    TESSERA_KOBOLDCPP_URL: `http://127.0.0.1:${port}`,
    TESSERA_KOBOLDCPP_COMMAND: `exec '${process.execPath}' '${SERVER}' '${order}'`,
  });
  await idle();
  const job = bench.edge.model.submit(TEXT_SPEC);
  bench.edge.wake();
  await bench.bell.until(() => bench.edge.texts.size > 0);
  await writeFile(moodFile, '');
  const group = Number(
    /"op":"engine.start","engine":"koboldcpp","pid":(\d+)/.exec(bench.output)?.[1],
  );
  process.kill(-group, 'SIGKILL');
  await logged('job.complete');
  expect(job).toMatchObject({ status: 'completed', attempt: 2 });
  expect(bench.output).toContain('"op":"engine.crash"');
  bench.child?.kill('SIGTERM');
  expect(await exit).toBe(0);
});

it('refuses what is no command of it', async () => {
  expect(await launch({}, ['dance'])).toBe(2);
});

it('says which settings are missing and leaves with 2', async () => {
  expect(await launch({ TESSERA_URL: '', TESSERA_AGENT_TOKEN: 'x' })).toBe(2);
  expect(bench.output).toMatch(/^TESSERA_URL: .+\nTESSERA_AGENT_TOKEN: .+\ncorrect it in .+\n$/);
});

it('says what to do about a token that the edge refuses and leaves with 2', async () => {
  const stranger = TOKEN.replace(/s+$/, 't'.repeat(43));
  expect(await launch({ TESSERA_AGENT_TOKEN: stranger })).toBe(2);
  expect(bench.output).toContain('make a new one');
});
