/** The files of a job through the whole agent, against the edge's double over HTTP. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Box } from './doubles/box.ts';
import { IMAGE_SPEC } from './doubles/spec.ts';

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

describe('a job that brings a file', () => {
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
