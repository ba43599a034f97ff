/**
 * The first thing a new system does: one real job, from submit to a file on disk.
 * It proves every part at once and gives its reader a picture. Done once per data folder.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { JobView } from '#schema/api.ts';
import { call, isTerminal } from './api.ts';
import type { Credentials } from './credentials.ts';
import { writeWhole } from './disk.ts';
import { Refusal, step, type Say } from './progress.ts';

const FOLLOW_MS = 10 * 60_000;
const POLL_MS = 500;
const REQUEST = {
  type: 'image',
  prompt: 'a sunset over mountains',
  width: 1024,
  height: 1024,
} as const;

/** Runs the first job unless an earlier start did; prints where the picture lies. */
export async function runFirstJob(
  data: string,
  credentials: Credentials,
  print: Say,
): Promise<void> {
  const file = join(data, 'first-job.png');
  if (existsSync(file)) return;
  let url = '';
  print(`· first job: “${REQUEST.prompt}”, ${REQUEST.width}x${REQUEST.height}`);
  await step(print, 'first job', async () => {
    const job = await follow(credentials, print);
    const artifact = job.artifacts[0];
    if (job.status !== 'completed' || artifact === undefined) {
      throw new Refusal(`The first job ended ${job.status}: ${JSON.stringify(job.error)}`);
    }
    url = new URL(artifact.url, credentials.baseUrl).href;
    const response = await fetch(url);
    if (!response.ok) throw new Refusal(`The result's URL answered ${response.status}.`);
    writeWhole(file, new Uint8Array(await response.arrayBuffer()), 0o644);
  });
  print(`  picture: ${file}\n  URL:     ${url}`);
}

async function follow(credentials: Credentials, print: Say): Promise<JobView> {
  const { baseUrl, apiKey: bearer } = credentials;
  const headers = { 'idempotency-key': 'first-job' };
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
    await sleep(POLL_MS);
  }
  throw new Refusal(`The first job has not ended after ${FOLLOW_MS / 60_000} minutes.`);
}
