import { access, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { LEASE_MS, SPOOL_JOBS_MAX, UPLOAD_PART_BYTES } from '#schema/limits.ts';
import { Box } from './doubles/box.ts';
import { IMAGE_SPEC } from './doubles/spec.ts';

const BYTES = 2 * UPLOAD_PART_BYTES + 1000;
const CONTENT = Buffer.alloc(BYTES, 'large result, ');

let box: Box;
beforeEach(async () => {
  box = await Box.open();
});
afterEach(() => box.close());

const received = () => box.server.store.bodies;
const total = () => received().reduce((sum, { bytes }) => sum + bytes, 0);

it('goes on after a restart with the part that was cut, and runs nothing again', async () => {
  await box.boot();
  const job = await box.running();
  let kept = false;
  const manifest = () => join(box.spool, `${job.id}.${job.token}`, 'manifest.json');
  box.server.store.cutAt = (name) => (name === '0/parts/2' ? 50_000 : null);
  box.server.trouble = (name) => {
    // It is in the spool before the first byte of it goes: a crash loses nothing.
    if (name === 'begin')
      access(manifest()).then(
        () => (kept = true),
        () => undefined,
      );
    return undefined;
  };
  await box.engine.finish(CONTENT);
  await box.until(() => received().some(({ name }) => name === '0/parts/2'));
  await box.kill();
  expect(kept).toBe(true);
  const before = total();
  box.server.store.cutAt = () => null;
  await box.boot();
  await box.logged('job.complete');
  expect(job).toMatchObject({ status: 'completed', attempt: 1 });
  expect(job.artifacts).toMatchObject([{ bytes: BYTES }]);
  expect(box.engine.runs).toBe(1);
  // The thumbnail is sent again whole: one byte.
  expect(total() - before).toBe(BYTES - UPLOAD_PART_BYTES + 1);
  await box.idle();
  await box.agent.settled();
  expect(await readdir(box.spool)).toEqual([]);
});

it('stops in the middle of a part when its job is cancelled, and leaves no file', async () => {
  await box.boot();
  const job = await box.running();
  box.server.trouble = (name) => (name === 'part' ? { do: 'hang' } : undefined);
  await box.engine.finish(CONTENT);
  await box.until(() => received().some(({ name }) => name === '0/parts/1'));
  await box.until(() => box.server.parked('control') === 1);
  box.server.model.cancel(job.id);
  box.server.wake();
  await box.logged('job.return');
  expect(job.status).toBe('cancelled');
  await box.agent.settled();
  expect(await readdir(box.spool)).toEqual([]);
  expect([...box.server.stored.keys()].filter((key) => key.endsWith('0.png'))).toEqual([]);
});

it('sends no part of an attempt that lost its lease meanwhile', async () => {
  await box.boot();
  const job = await box.running();
  box.server.store.cutAt = (name) => (name === '0/parts/2' ? 1 : null);
  await box.engine.finish(CONTENT);
  await box.until(() => received().some(({ name }) => name === '0/parts/2'));
  await box.kill();
  box.server.model.revoke(job.id);
  job.status = 'cancelled';
  const before = total();
  box.server.store.cutAt = () => null;
  await box.boot();
  await box.logged('job.lost');
  await box.idle();
  await box.agent.settled();
  expect(total()).toBe(before);
  expect(await readdir(box.spool)).toEqual([]);
  expect([...box.server.stored.keys()].filter((key) => key.endsWith('0.png'))).toEqual([]);
});

it('works on while storage is away, as long as there is room for results, and delivers all', async () => {
  await box.boot();
  box.server.trouble = (name) => (name === 'upload' ? { do: 'drop_request' } : undefined);
  const jobs = Array.from({ length: SPOOL_JOBS_MAX + 1 }, () =>
    box.server.model.submit(IMAGE_SPEC),
  );
  box.server.wake();
  for (let run = 1; run <= SPOOL_JOBS_MAX; run++) {
    await box.until(() => box.engine.busy() && box.engine.runs === run);
    await box.engine.finish();
    await box.logged('job.keep', run);
  }
  await box.until(() => box.state().leases.length === SPOOL_JOBS_MAX);
  expect(box.engine.busy()).toBe(false);
  expect(jobs.at(-1)).toMatchObject({ status: 'queued' });
  box.server.trouble = () => undefined;
  box.clock.advance(LEASE_MS / 10);
  await box.until(() => box.engine.busy());
  await box.engine.finish();
  await box.logged('job.complete', jobs.length);
  expect(jobs.every(({ status, attempt }) => status === 'completed' && attempt === 1)).toBe(true);
});
