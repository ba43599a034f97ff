import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SPOOL_JOBS_MAX, UPLOAD_TICKET_MS } from '#schema/limits.ts';
import type { Output } from './engines/engine.ts';
import type { Log } from './log.ts';
import { Spool } from './spool.ts';

let root: string;
let now = 1_000_000;
const ops: string[] = [];
const note = (op: string) => void ops.push(op);
const log: Log = { debug: note, info: note, warn: note, error: note };

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'tessera-spool-'));
  ops.length = 0;
  now = 1_000_000;
});
afterEach(() => rm(root, { recursive: true, force: true }));

function open(): Promise<Spool> {
  return Spool.open(join(root, 'spool'), { wall: () => now, log });
}

function kept(number = 1) {
  const jobId = `job_01${String(number).padStart(24, '0')}_main`;
  const spans = { attempt: 1, leaseMs: 90_000, expiresAt: 5, runMsMax: 1000 };
  const grant = { jobId, fencingToken: 2, ...spans, uploadTicket: 'ticket', inputs: [] };
  return { grant, usage: { steps: 3 }, loadMs: 1.5, serviceMs: 20 };
}

async function run(number = 1): Promise<{ directory: string; outputs: Output[] }> {
  const directory = join(root, 'scratch', String(number));
  await mkdir(directory, { recursive: true });
  const path = join(directory, '0.png');
  const small = join(directory, '0-thumbnail.webp');
  await writeFile(path, 'picture');
  await writeFile(small, 'small');
  const thumbnail = { path: small, contentType: 'image/webp' as const };
  const size = { width: 8, height: 9, durationS: null };
  return { directory, outputs: [{ path, contentType: 'image/png', ...size, thumbnail }] };
}

const entryOf = (number = 1) => join(root, 'spool', `${kept(number).grant.jobId}.2`);

describe('a kept result', () => {
  it('is found again by another process, with its files', async () => {
    const entry = await (await open()).keep(kept(), await run());
    const found = await (await open()).load();
    expect(found).toEqual([entry]);
    expect(found[0]).toMatchObject(kept());
    expect(await readFile(found[0]!.outputs[0]!.path, 'utf8')).toBe('picture');
    expect(await readFile(found[0]!.outputs[0]!.thumbnail!.path, 'utf8')).toBe('small');
    expect(await readdir(join(root, 'scratch'))).toEqual([]);
  });

  it("is for the owner's eyes only", async () => {
    await (await open()).keep(kept(), await run());
    expect((await stat(join(root, 'spool'))).mode & 0o077).toBe(0);
    expect((await stat(join(entryOf(), 'manifest.json'))).mode & 0o077).toBe(0);
  });

  it('is gone once it is dropped', async () => {
    const spool = await open();
    const entry = await spool.keep(kept(), await run());
    await spool.drop(entry!);
    expect([spool.size(), await readdir(join(root, 'spool'))]).toEqual([0, []]);
  });

  it('is not taken when the spool is full', async () => {
    const spool = await open();
    for (let n = 1; n <= SPOOL_JOBS_MAX; n++) await spool.keep(kept(n), await run(n));
    const extra = await run(99);
    expect(await spool.keep(kept(99), extra)).toBeNull();
    expect(await readdir(extra.directory)).toHaveLength(2);
  });

  it('stays where it was when it cannot be kept', async () => {
    const spool = await open();
    const { directory, outputs } = await run();
    const missing = { ...outputs[0]!, path: join(directory, 'missing') };
    await expect(spool.keep(kept(), { directory, outputs: [missing] })).rejects.toThrow();
    expect([spool.size(), await readdir(directory)]).toEqual([0, ['0-thumbnail.webp', '0.png']]);
  });

  it('is dropped when its ticket has expired meanwhile', async () => {
    await (await open()).keep(kept(), await run());
    now += UPLOAD_TICKET_MS + 1;
    expect(await (await open()).load()).toEqual([]);
    expect(ops).toEqual(['spool.expired']);
    expect(await readdir(join(root, 'spool'))).toEqual([]);
  });
});

describe('a damaged entry', () => {
  const manifest = (change: (json: string) => string) => async () => {
    const path = join(entryOf(), 'manifest.json');
    await writeFile(path, change(await readFile(path, 'utf8')));
  };

  it.each([
    ['whose manifest is cut', manifest((json) => json.slice(0, 40))],
    ['whose manifest is empty', manifest(() => '')],
    ['of a later version', manifest((json) => json.replace('"version":1', '"version":2'))],
    ['that points out of its folder', manifest((json) => json.replace('"0.png"', '"../../x"'))],
    ['of another lease', manifest((json) => json.replace('"fencingToken":2', '"fencingToken":3'))],
    ['without its manifest', () => rm(join(entryOf(), 'manifest.json'))],
    ['whose file is gone', () => rm(join(entryOf(), '0.png'))],
    ['whose file was changed', () => writeFile(join(entryOf(), '0.png'), 'Picture')],
    ['whose thumbnail was cut', () => writeFile(join(entryOf(), '0-thumbnail.webp'), 'sm')],
  ])('%s is set aside, and the others are found', async (_, damage) => {
    const spool = await open();
    await spool.keep(kept(1), await run(1));
    await spool.keep(kept(2), await run(2));
    await damage();
    const found = await (await open()).load();
    expect(found.map(({ grant }) => grant.jobId)).toEqual([kept(2).grant.jobId]);
    expect(ops).toEqual(['spool.damaged']);
    expect(await readdir(join(root, 'spool', 'damaged'))).toHaveLength(1);
    expect(await (await open()).load()).toHaveLength(1);
  });

  it('that is a stray file is set aside too', async () => {
    const spool = await open();
    await writeFile(join(root, 'spool', 'stray'), 'x');
    expect(await spool.load()).toEqual([]);
    expect(await readdir(join(root, 'spool', 'damaged'))).toEqual(['stray']);
  });
});
