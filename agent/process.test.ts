/** Engine processes as they really are: started, watched, ended, and never left behind. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { fastClock, membersOf, untilSo } from './doubles/group.ts';
import type { Log } from './log.ts';
import { EngineProcess, ProcessFailure } from './process.ts';
import type { ProcessParts } from './process.ts';
import { Journal } from './process/journal.ts';

const PARENT = fileURLToPath(new URL('doubles/process-parent.ts', import.meta.url));

let directory: string;
let logged: string[];
let answers: boolean;
let engine: EngineProcess;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'process-'));
  [logged, answers] = [[], true];
});
afterEach(async () => {
  await engine?.close();
  await rm(directory, { recursive: true });
});

const note = (op: string) => void logged.push(op);
const log: Log = { debug: note, info: note, warn: note, error: note };
const never = new AbortController().signal;
const journalFile = () => join(directory, 'engine.log');

function open(command: string, changes: Partial<ProcessParts> = {}): EngineProcess {
  engine = new EngineProcess({
    name: 'test',
    command,
    startMs: 60_000,
    env: { PATH: '/usr/bin:/bin' },
    journal: new Journal(journalFile()),
    probe: () => Promise.resolve(answers),
    clock: fastClock(),
    random: () => 0.5,
    log,
    ...changes,
  });
  return engine;
}

it('comes up, has only the environment it is given, and keeps what it writes', async () => {
  await open('env; echo ready >&2; exec sleep 3600').up(never);
  expect(engine.isUp).toBe(true);
  await untilSo(() => engine.words.includes('ready'));
  await engine.stop();
  await engine.close();
  const text = await readFile(journalFile(), 'utf8');
  expect(text).toContain('test starts');
  expect(text).toContain('PATH=/usr/bin:/bin');
  expect(text).not.toContain('TESSERA');
});

it('takes with it what it started, also what ignores the wish', async () => {
  await open("trap '' TERM; sleep 3601 & sh -c \"trap '' TERM; sleep 3602\" & wait; wait").up(
    never,
  );
  const group = engine.pid!;
  await untilSo(async () => (await membersOf(group)).length >= 5);
  await engine.stop();
  expect(await membersOf(group)).toEqual([]);
});

it('takes with it what it left behind when it ends by itself', async () => {
  await open('sleep 3600 & sleep 3600').up(never);
  const group = engine.pid!;
  await untilSo(async () => (await membersOf(group)).length >= 5);
  const members = await membersOf(group);
  const presence = once(engine.presence, 'abort');
  process.kill(Math.max(...members), 'SIGKILL');
  await presence;
  // One that is ending has closed its pipes a moment before it is gone.
  await untilSo(async () => (await membersOf(group)).length === 0);
});

it('is known to be gone when what left its group still holds its output', async () => {
  const pidFile = join(directory, 'escaped');
  const escape = `setsid sh -c 'echo $$ > ${pidFile}; exec sleep 3600' & sleep 0.2`;
  await open(`${escape}; echo last words; exec sleep 3600`).up(never);
  await untilSo(() => engine.words.includes('last words'));
  const escaped = Number(await readFile(pidFile, 'utf8'));
  const presence = once(engine.presence, 'abort');
  process.kill(-engine.pid!, 'SIGKILL');
  await presence;
  expect(engine.words).toContain('last words');
  process.kill(escaped, 'SIGKILL');
});

it('dies with the agent, when that is killed', async () => {
  const parent = spawn(process.execPath, [PARENT, 'sleep 3600 & sleep 3600'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [words] = (await once(parent.stdout, 'data')) as [Buffer];
  const group = Number(words.toString());
  await untilSo(async () => (await membersOf(group)).length >= 5);
  parent.kill('SIGKILL');
  await once(parent, 'exit');
  await untilSo(async () => (await membersOf(group)).length === 0);
});

it('rejects with its last words when it does not come up', async () => {
  answers = false;
  open('echo no such model >&2; exit 3');
  const failure = await engine.up(never).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(ProcessFailure);
  expect(String(failure)).toMatch(/exit code 3\n(.|\n)*no such model/);
});

it('is ended when it is late, and says so', async () => {
  answers = false;
  open('exec sleep 3600', { startMs: 2000 });
  await expect(engine.up(never)).rejects.toThrow(
    'test did not answer in 2 s, and was ended: killed by signal 15',
  );
  expect(logged).toContain('engine.late');
});

it('is left alone after a loop of crashes, and started again afterwards', async () => {
  answers = false;
  open('exit 1', { clock: fastClock(500) });
  for (let crash = 0; crash < 4; crash++) await expect(engine.up(never)).rejects.toThrow();
  expect(engine.isOut).toBe(true);
  expect(engine.trouble).toMatch(/^it keeps failing; started again in \d+ s$/);
  await expect(engine.up(never)).rejects.toThrow('left alone');
  await engine.stop();
  await untilSo(() => !engine.isOut);
});

it('comes back by itself after a crash, while it is wanted', async () => {
  await open('exec sleep 3600').up(never);
  const first = engine.pid!;
  process.kill(-first, 'SIGKILL');
  await untilSo(() => engine.isUp && engine.pid !== first);
  expect(await membersOf(first)).toEqual([]);
});

it('stops waiting when the job does not want it any more, and can still be stopped', async () => {
  answers = false;
  open('exec sleep 3600');
  const abort = new AbortController();
  const up = engine.up(abort.signal);
  const group = engine.pid!;
  abort.abort(new Error('cancelled'));
  await expect(up).rejects.toThrow('cancelled');
  await engine.stop();
  expect(await membersOf(group)).toEqual([]);
});

it('keeps a journal of bounded size, and goes on when the disk is full', async () => {
  const journal = new Journal(journalFile(), { bytesMax: 1000 });
  for (let line = 0; line < 100; line++)
    journal.write(Buffer.from(`line ${line} ${'.'.repeat(90)}\n`));
  await journal.settled();
  const [now, before] = [await readFile(journalFile()), await readFile(`${journalFile()}.1`)];
  expect(now.length).toBeLessThanOrEqual(1000);
  expect(before.length).toBeLessThanOrEqual(1000);
  const append = () => Promise.reject(Object.assign(new Error('full'), { code: 'ENOSPC' }));
  const full = new Journal(join(directory, 'full.log'), { append });
  full.write(Buffer.from('\u001b[31mlast words\u001b[0m'));
  await full.settled();
  expect([full.words, full.lost]).toEqual(['last words', 19]);
});
