/** What a box may meet beside its network: results that must not be sent, and a full disk. */
import { readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Box } from './doubles/box.ts';
import { TestClassifier } from './doubles/classifier.ts';

let box: Box;
beforeEach(async () => {
  box = await Box.open();
});
afterEach(() => box.close());

describe('a box with an output check', () => {
  const BAD = 66;
  let classifier: TestClassifier;
  beforeEach(() => {
    classifier = new TestClassifier();
    classifier.blocks.add(BAD);
    box.classifier = classifier;
  });

  it('fails a job for good whose picture is blocked, and nothing of it leaves the box', async () => {
    await box.boot();
    const job = await box.running();
    const preview = { content_type: 'image/webp', data: 'AAAA' } as const;
    box.engine.context().onPreview(preview);
    await box.engine.finish(new Uint8Array([BAD, 1, 2]));
    await box.until(() => job.status === 'failed');
    expect(box.server.last('fail')).toMatchObject({ code: 'content_blocked', retryable: false });
    await box.idle();
    await box.agent.settled();
    expect(box.server.stored.size).toBe(0);
    expect(JSON.stringify(box.server.calls)).not.toContain(preview.data);
    expect(await readdir(box.scratch)).toEqual([]);
  });

  it('delivers a job whose picture is not', async () => {
    await box.boot();
    const job = await box.running();
    await box.engine.finish();
    await box.logged('job.complete');
    expect(job.status).toBe('completed');
    expect(classifier.looked).toHaveLength(1);
  });

  it('gives a job back to be tried again when it cannot look', async () => {
    classifier.fault = new Error('the model is gone');
    await box.boot();
    await box.running();
    await box.engine.finish();
    await box.until(() => box.server.count('fail') === 1);
    expect(box.server.last('fail')).toMatchObject({ code: 'job_failed', retryable: true });
    expect(box.server.stored.size).toBe(0);
  });
});

it('announces a model no more at once when it could not be loaded', async () => {
  await box.boot();
  await box.running();
  box.engine.models = [];
  box.engine.fail({ code: 'model_unavailable', retryable: true, detail: 'no model in this file' });
  await box.until(() => box.state().capabilities.engines[0]?.models.length === 0);
  expect(box.clock.now()).toBe(0);
});

describe('a box whose disk is full', () => {
  /** What is written there meets a full disk: the kernel's own. */
  const FULL = '/dev/full';

  it('delivers a result from where it is when it cannot be kept', async () => {
    await box.boot();
    const job = await box.running();
    await symlink(FULL, join(box.engine.context().directory, 'manifest.json.tmp'));
    box.server.trouble = (name) => (name === 'upload' ? { do: 'drop_request' } : undefined);
    await box.engine.finish();
    await box.logged('spool.failed');
    expect(JSON.stringify(box.lines)).toContain('ENOSPC');
    box.server.trouble = () => undefined;
    box.skip();
    await box.logged('job.complete');
    expect(job.status).toBe('completed');
    await box.agent.settled();
    expect(await readdir(box.spool)).toEqual([]);
  });

  it('fails a job so that it may be tried elsewhere, and runs the next one', async () => {
    await box.boot();
    const job = await box.running();
    const { directory } = box.engine.context();
    await symlink(FULL, join(directory, '0.png'));
    const fault = await box.engine.finish().catch((error: unknown) => error);
    box.engine.fail({ code: 'job_failed', retryable: true, detail: String(fault) });
    await box.until(() => box.server.count('fail') === 1);
    expect(String(fault)).toContain('ENOSPC');
    await box.until(() => box.engine.busy());
    await box.engine.finish();
    await box.until(() => job.status === 'completed');
    expect(job.attempt).toBe(2);
  });

  it('does not start a run that has no folder, and says why', async () => {
    await box.boot();
    await box.idle();
    // No folder can be made in a file.
    await rm(box.scratch, { recursive: true });
    await writeFile(box.scratch, '');
    box.submit();
    await box.until(() => box.server.count('fail') === 1);
    expect(box.server.last('fail')).toMatchObject({ code: 'job_failed', retryable: true });
    expect(box.engine.runs).toBe(0);
  });
});
