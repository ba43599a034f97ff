/**
 * The first thing a new system does: one real job, from submit to a file on disk.
 * It proves every part at once and gives its reader a picture. Done once per data folder: its
 * idempotency key is kept there until the job fails, so a start that was killed goes on with it
 * and the start after a failure makes a new one.
 */
import { randomUUID } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { JobView } from '#schema/api.ts';
import { call, isTerminal } from './api.ts';
import { readJson, writeJson, writeWhole } from './disk.ts';
import { Refusal, step, Stopped, type Say } from './progress.ts';
import type { LocalSystem } from './system.ts';

const FOLLOW_MS = 10 * 60_000;
const POLL_MS = 500;
const REQUEST = {
  type: 'image',
  prompt: 'a sunset over mountains',
  width: 1024,
  height: 1024,
} as const;

/** What this file needs of a system. */
type Running = Pick<LocalSystem, 'data' | 'baseUrl' | 'credentials' | 'stopSignal'>;
const Kept = z.object({ key: z.string() });

/** Runs the first job unless an earlier start did; prints where the picture lies. */
export async function runFirstJob(system: Running, print: Say): Promise<void> {
  const { data, stopSignal } = system;
  const file = join(data, 'first-job.png');
  if (existsSync(file)) return;
  let url = '';
  print(`· first job: “${REQUEST.prompt}”, ${REQUEST.width}x${REQUEST.height}`);
  await step(print, 'first job', async () => {
    const follow = followFirstJob(system, keepKey(data), print);
    const job = await follow.catch((error: unknown) => {
      throw stopSignal.aborted ? new Stopped() : error;
    });
    const artifact = job.artifacts[0];
    if (job.status !== 'completed' || artifact === undefined) {
      rmSync(keyFile(data), { force: true });
      throw new Refusal(`The first job ended ${job.status}: ${JSON.stringify(job.error)}`);
    }
    url = new URL(artifact.url, system.baseUrl).href;
    const response = await fetch(url);
    if (!response.ok) throw new Refusal(`The result's URL answered ${response.status}.`);
    writeWhole(file, new Uint8Array(await response.arrayBuffer()), 0o644);
  });
  print(`  picture: ${file}\n  URL:     ${url}`);
}

const keyFile = (data: string) => join(data, 'first-job.json');

function keepKey(data: string): string {
  const kept = Kept.safeParse(readJson(keyFile(data))).data;
  if (kept !== undefined) return kept.key;
  const key = `first-job-${randomUUID()}`;
  writeJson(keyFile(data), { key });
  return key;
}

async function followFirstJob(system: Running, key: string, print: Say): Promise<JobView> {
  const { baseUrl, apiKey: bearer } = system.credentials;
  const headers = { 'idempotency-key': key };
  const submitted = JobView.parse(
    await call(`${baseUrl}/v1/jobs`, { method: 'POST', bearer, body: REQUEST, headers }),
  );
  const until = Date.now() + FOLLOW_MS;
  let shown = '';
  while (Date.now() < until) {
    const job = JobView.parse(await call(`${baseUrl}/v1/jobs/${submitted.id}`, { bearer }));
    if (isTerminal(job)) return job;
    const done = job.progress === null ? '' : `, ${Math.round(job.progress.fraction * 100)} %`;
    const line = `  ${job.status}${done}`;
    if (line !== shown) print(line);
    shown = line;
    await sleep(POLL_MS, undefined, { signal: system.stopSignal });
  }
  throw new Refusal(`The first job has not ended after ${FOLLOW_MS / 60_000} minutes.`);
}
