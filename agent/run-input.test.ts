/** The files of a job through the whole agent, against the edge's double over HTTP. */
import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BATCH_MAX } from '#schema/limits.ts';
import { Box } from './doubles/box.ts';
import type { ModelJob } from './doubles/edge-model.ts';
import { untilSo } from './doubles/group.ts';
import { IMAGE_SPEC } from './doubles/spec.ts';
import { AHEAD_INPUT_BYTES_MAX, ASK_AHEAD_MS_MIN } from './limits.ts';

const FILE = 'file_01k00000000000000000000000';
const BYTES = Buffer.alloc(50_000, 'picture');
const URL_PATH = `/media/input/${FILE}/acc?expires=1&signature=s`;
const INPUT = {
  fileId: FILE,
  contentType: 'image/png',
  bytes: BYTES.length,
  sha256: createHash('sha256').update(BYTES).digest('hex'),
  url: URL_PATH,
} as const;

let box: Box;
beforeEach(async () => {
  box = await Box.open();
  await box.boot();
});
afterEach(() => box.close());

async function start() {
  const job = box.server.model.submit({ ...IMAGE_SPEC, input_image: FILE }, { inputs: [INPUT] });
  box.server.wake();
  await box.until(() => box.engine.busy());
  return job;
}

/** The folder of a job that waits or runs, and what is in it. */
async function folderOf(job: ModelJob): Promise<readonly string[] | null> {
  const name = (await readdir(box.scratch)).find((other) => other.startsWith(job.id));
  return name === undefined ? null : readdir(join(box.scratch, name));
}
async function isHere(job: ModelJob): Promise<boolean> {
  const [name] = (await folderOf(job)) ?? [];
  if (name === undefined) return false;
  const path = await findFile(job, name);
  return (await stat(path)).size === BYTES.length;
}
async function findFile(job: ModelJob, name: string): Promise<string> {
  const folder = (await readdir(box.scratch)).find((other) => other.startsWith(job.id));
  return join(box.scratch, folder!, name);
}

/** A job runs, and its end is near: others are asked for ahead. */
async function nearTheEnd(submit: () => readonly ModelJob[]): Promise<readonly ModelJob[]> {
  await box.running();
  const { onProgress } = box.engine.context();
  onProgress({ fraction: 0, stage: 'running', step: 0, steps: 2 });
  box.clock.advance(2000);
  onProgress({ fraction: 0.5, stage: 'running', step: 1, steps: 2 });
  const jobs = submit();
  box.server.wake();
  box.clock.advance(2000 - ASK_AHEAD_MS_MIN);
  await box.until(() => box.state().leases.length === 1 + jobs.length);
  return jobs;
}
const submitOne = (bytes = BYTES.length) =>
  box.server.model.submit({ ...IMAGE_SPEC, input_image: FILE }, { inputs: [{ ...INPUT, bytes }] });

describe('a file of a job that waits', () => {
  it('is fetched while the job before it runs, so that the engine does not wait for it', async () => {
    box.server.media.set(URL_PATH, BYTES);
    const [job] = await nearTheEnd(() => [submitOne()]);
    await untilSo(() => isHere(job!));
    expect(box.engine.runs).toBe(1);
    // Nobody would answer a second request for it.
    box.server.media.set(URL_PATH, null);
    await box.engine.finish();
    await box.until(() => box.engine.runs === 2);
    expect((await readFile(await box.engine.context().openInput(FILE))).equals(BYTES)).toBe(true);
    await box.logged('job.complete');
  });

  it('is given up when the job is cancelled, and nothing of it is left', async () => {
    box.server.media.set(URL_PATH, null);
    const [job] = await nearTheEnd(() => [submitOne()]);
    await untilSo(async () => (await folderOf(job!)) !== null);
    box.server.model.cancel(job!.id);
    box.server.wake();
    await box.until(() => job!.status === 'cancelled');
    await untilSo(async () => (await folderOf(job!)) === null);
    await box.engine.finish();
    await box.logged('job.complete');
    await box.agent.settled();
    expect(await readdir(box.scratch)).toEqual([]);
  });

  it('waits for its turn when others of them fill the room for them', async () => {
    box.server.media.set(URL_PATH, BYTES);
    await box.close();
    box = await Box.open();
    box.engine.batchMax = BATCH_MAX;
    await box.boot();
    box.server.media.set(URL_PATH, BYTES);
    const fit = BATCH_MAX - 2;
    const bytes = Math.floor(AHEAD_INPUT_BYTES_MAX / fit);
    const jobs = await nearTheEnd(() => Array.from({ length: BATCH_MAX }, () => submitOne(bytes)));
    await untilSo(async () => (await Promise.all(jobs.map(isHere))).filter(Boolean).length === fit);
    await box.engine.finish();
    await box.until(() => box.engine.runs === 2 && box.engine.jobs() === BATCH_MAX);
    await untilSo(async () => (await Promise.all(jobs.map(isHere))).every(Boolean));
  });
});

describe('a job that brings a file', () => {
  it('lets go of it when its run is over, also while its result still waits', async () => {
    box.server.media.set(URL_PATH, BYTES);
    const job = await start();
    await box.engine.context().openInput(FILE);
    box.server.trouble = (verb) => (verb === 'upload' ? { do: 'hang' } : undefined);
    await box.engine.finish();
    await untilSo(async () => !(await folderOf(job))!.some((name) => name.startsWith('file_')));
    expect(await folderOf(job)).toContain('0.png');
  });

  it('has it in the folder of its run, and leaves nothing behind', async () => {
    box.server.media.set(URL_PATH, BYTES);
    const job = await start();
    const { openInput, directory } = box.engine.context();
    const path = await openInput(FILE);
    expect(dirname(path)).toBe(directory);
    expect((await readFile(path)).equals(BYTES)).toBe(true);
    await box.engine.finish();
    await box.logged('job.complete');
    expect(job.status).toBe('completed');
    await box.idle();
    await box.agent.settled();
    expect(await readdir(box.scratch)).toEqual([]);
  });

  it('stops waiting for it when it is cancelled', async () => {
    box.server.media.set(URL_PATH, null);
    const job = await start();
    const opening = box.engine.context().openInput(FILE);
    const given = expect(opening).rejects.toThrow('stopped');
    box.server.model.cancel(job.id);
    box.server.wake();
    await given;
    await box.until(() => job.status === 'cancelled');
  });

  it('fails as its file does', async () => {
    const job = await start();
    const why: unknown = await box.engine
      .context()
      .openInput(FILE)
      .catch((error: unknown) => error);
    expect(why).toMatchObject({ code: 'input_unreadable', retryable: false });
    box.engine.fail({ code: 'input_unreadable', retryable: false, detail: 'gone' });
    await box.until(() => job.status === 'failed');
    expect(box.server.last('fail')).toMatchObject({ code: 'input_unreadable', retryable: false });
  });
});
