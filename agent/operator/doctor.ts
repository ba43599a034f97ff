/**
 * `tessera-agent doctor`: looks at everything that the agent needs, and says of each fault how to
 * mend it. Changes nothing, starts nothing; the edge is only asked what it would answer anyway.
 */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { access, constants, stat, statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { promisify } from 'node:util';
import { findModel } from '#schema/model.ts';
import { configPath, isOpenToOthers } from '../config.ts';
import type { AgentEnv, EnvResult } from '../env.ts';
import type { Gpu } from '../gpu.ts';
import { CALL_MS_MAX, DISCOVER_MS_MAX, NODE_MAJOR_MIN } from '../limits.ts';
import { call, isTessera } from './edge.ts';
import type { Answer } from './edge.ts';
import { lookAtEngines } from './engines.ts';
import { bad, ok, weak } from './finding.ts';
import type { Finding } from './finding.ts';

/** A clock further off than this breaks signed addresses, and in the end TLS. */
const SKEW_MS_BAD = 60_000;
const SKEW_MS_WEAK = 5_000;
const GIB = 1024 ** 3;
const DISK_BYTES_BAD = GIB;
const DISK_BYTES_WEAK = 5 * GIB;

/** How the box is looked at; given in tests. */
export interface DoctorParts {
  readonly askGpu: (signal: AbortSignal) => Promise<Gpu | null>;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Of the disk that holds a folder, bytes. */
  readonly freeBytes: (folder: string) => Promise<number>;
  /** The first line that a program says of itself; rejects when it is not there. */
  readonly versionOf: (program: string) => Promise<string>;
  /** Makes the signal that ends a question to an engine. */
  readonly timeout?: (ms: number) => AbortSignal;
}

/** Parts of the real box, but for its GPU. */
export const REAL_BOX: Omit<DoctorParts, 'askGpu'> = {
  now: () => Date.now(),
  freeBytes: async (folder) => {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  },
  versionOf: async (program) => {
    const { stdout } = await promisify(execFile)(program, ['-version'], { timeout: CALL_MS_MAX });
    return stdout.split('\n')[0] ?? '';
  },
};

/** Looks at one thing after the other; each finding is told as it is made. */
export async function* examine(
  settings: EnvResult,
  parts: DoctorParts,
  named?: string,
): AsyncGenerator<Finding> {
  yield lookAtNode();
  yield* lookAtSettings(settings, named);
  if (!settings.ok) return;
  const { env } = settings;
  yield* lookAtEdge(env, parts);
  yield await lookAtDisk(env, parts);
  const gpu = await parts.askGpu(AbortSignal.timeout(DISCOVER_MS_MAX));
  const timeout = parts.timeout ?? ((ms: number) => AbortSignal.timeout(ms));
  const models = new Set<string>();
  for await (const { finding, models: found } of lookAtEngines(env, timeout)) {
    for (const model of found) models.add(model);
    yield finding;
  }
  yield models.size > 0
    ? ok('models', [...models].join(', '))
    : bad('models', 'none: this agent would get no job', 'start an engine, or install a model');
  yield lookAtGpu(gpu, [...models]);
  yield await lookAtFfmpeg(env, parts);
}

function lookAtNode(): Finding {
  const { node } = process.versions;
  if (Number(node.split('.')[0]) >= NODE_MAJOR_MIN) return ok('node', node);
  return bad('node', `${node} is too old`, `install Node ${NODE_MAJOR_MIN} or newer`);
}

async function* lookAtSettings(
  settings: EnvResult,
  named: string | undefined,
): AsyncGenerator<Finding> {
  const path = configPath(named);
  const isThere = await stat(path).then(
    () => true,
    () => false,
  );
  if (isThere && (await isOpenToOthers(path))) {
    yield bad('settings', `others on this machine can read ${path}`, `chmod 600 ${path}`);
  }
  if (settings.ok) {
    yield ok('settings', isThere ? path : 'from the environment');
    return;
  }
  for (const fault of settings.faults) {
    yield bad('settings', fault, `correct it in ${path}, or run: tessera-agent init`);
  }
}

async function* lookAtEdge(env: AgentEnv, { now }: DoctorParts): AsyncGenerator<Finding> {
  const { url } = env;
  const askedAt = now();
  const health = await call(new URL('/health', url), {});
  if (health instanceof Error) {
    const mend = 'check the address, the network and the DNS of this machine';
    yield bad('network', `${url.origin}: ${health.message}`, mend);
    return;
  }
  const half = (now() - askedAt) / 2;
  if (!isTessera(health.text)) {
    const words = `${url.origin} answers HTTP ${health.status}, but not as a Tessera`;
    yield bad('network', words, 'correct TESSERA_URL: a page, a proxy or another program is there');
    return;
  }
  yield url.protocol === 'https:'
    ? ok('network', `${url.origin} answers in ${Math.round(half * 2)} ms`)
    : weak('network', `${url.origin} answers, unencrypted`, 'use https:// but on one machine');
  yield lookAtClock(health, askedAt + half);
  for (const { pool, token } of env.tokens) yield await lookAtToken(url, pool, token);
}

function lookAtClock({ date: told }: Answer, at: number): Finding {
  const date = Date.parse(told);
  if (Number.isNaN(date)) return ok('clock', 'the edge tells no time to compare with');
  // The header has whole seconds: half of one is as good as any.
  const skewMs = at - (date + 500);
  const words = `${Math.abs(skewMs / 1000).toFixed(1)} s ${skewMs > 0 ? 'ahead' : 'behind'}`;
  const mend = 'set the clock: sudo timedatectl set-ntp true; in WSL: sudo hwclock -s';
  if (Math.abs(skewMs) >= SKEW_MS_BAD) return bad('clock', words, mend);
  return Math.abs(skewMs) >= SKEW_MS_WEAK ? weak('clock', words, mend) : ok('clock', words);
}

/** By a goodbye of a session that there never was: it changes nothing, but needs the token. */
async function lookAtToken(url: URL, pool: string, token: string): Promise<Finding> {
  const answer = await call(new URL('/agent/v1/leave', url), {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ sessionId: randomUUID() }),
  });
  const mend = 'make a new token for this agent and put it into the settings';
  if (answer instanceof Error) return bad('token', `pool ${pool}: ${answer.message}`, mend);
  const { status } = answer;
  if (status === 401 || status === 403) {
    return bad('token', `pool ${pool}: unknown or revoked`, mend);
  }
  if (status >= 500) {
    const words = `pool ${pool}: the edge cannot tell now, HTTP ${status}`;
    return bad('token', words, 'look again in a minute; its operator sees why in its log');
  }
  return ok('token', `pool ${pool}: accepted`);
}

async function lookAtDisk(env: AgentEnv, { freeBytes }: DoctorParts): Promise<Finding> {
  const folder = resolve(env.data);
  const mendAccess = `let this user write to ${folder}, or set TESSERA_DATA to another folder`;
  let there: string;
  try {
    there = await nearest(folder);
    await access(there, constants.W_OK);
  } catch (error) {
    return bad('disk', (error as Error).message, mendAccess);
  }
  const bytes = await freeBytes(there);
  const made = there === folder ? '' : ', which the agent makes when it runs';
  const words = `${(bytes / GIB).toFixed(1)} GiB free for ${folder}${made}`;
  const mend = 'make room: results wait there until they are delivered';
  if (bytes < DISK_BYTES_BAD) return bad('disk', words, mend);
  return bytes < DISK_BYTES_WEAK ? weak('disk', words, mend) : ok('disk', words);
}

/** The folder, or the nearest one above it that is there; rejects when that is none. */
async function nearest(folder: string): Promise<string> {
  try {
    if ((await stat(folder)).isDirectory()) return folder;
    throw new Error(`${folder} is no folder`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return nearest(dirname(folder));
  }
}

function lookAtGpu(gpu: Gpu | null, models: readonly string[]): Finding {
  const needs = models.map((model) => findModel(model)?.vramMib ?? 0);
  const most = Math.max(0, ...needs);
  if (!gpu && most === 0) return ok('gpu', 'none seen, and none needed');
  if (!gpu) {
    const mend = 'install the NVIDIA driver (in WSL: the one of Windows); AMD and Intel work too';
    return weak('gpu', 'nvidia-smi tells of none: its memory is not watched', mend);
  }
  const words = `${gpu.name}, ${gpu.vramFreeMib} of ${gpu.vramMib} MiB free`;
  if (gpu.vramMib >= most) return ok('gpu', words);
  return weak('gpu', `${words}; a model here wants ${most}`, 'expect slow runs, or leave it out');
}

async function lookAtFfmpeg(env: AgentEnv, { versionOf }: DoctorParts): Promise<Finding> {
  try {
    return ok('ffmpeg', (await versionOf('ffmpeg')).slice(0, 60));
  } catch {
    const isChecked = env.classifier !== null;
    const check = isChecked ? '; of a video only the first frame is checked before it is sent' : '';
    const mend = 'sudo apt install ffmpeg: video of the painter and most sound files need it';
    return weak('ffmpeg', `is not on the PATH${check}`, mend);
  }
}
