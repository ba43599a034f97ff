import { createHash } from 'node:crypto';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { UploadAnswer } from '#schema/agent-protocol.ts';
import { ARTIFACT_BYTES_MAX, THUMBNAIL_BYTES_MAX, UPLOAD_PART_BYTES } from '#schema/limits.ts';
import { GRANT } from './doubles/spec.ts';
import type { PartUpload, Upload } from './edge-client.ts';
import type { Output } from './engines/engine.ts';
import { UPLOADS_MAX } from './limits.ts';
import type { UploadEdge, UploadTask } from './upload.ts';
import { hasLarge, uploadOutputs } from './upload.ts';

const UNREACHABLE = { reason: 'unreachable', retryAfterMs: null, detail: '' } as const;

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tessera-upload-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function output(name: string, bytes = 10, thumbnailBytes = 0): Promise<Output> {
  const path = join(directory, name);
  await writeFile(path, Buffer.alloc(bytes, name));
  const small = join(directory, `${name}-thumbnail`);
  if (thumbnailBytes > 0) await writeFile(small, Buffer.alloc(thumbnailBytes, 1));
  const thumbnail = thumbnailBytes > 0 ? { path: small, contentType: 'image/webp' as const } : null;
  return { path, contentType: 'image/png', width: 1, height: 2, durationS: null, thumbnail };
}

/** An edge that stores what it is sent, and remembers how many uploads were under way at once. */
class Sink implements UploadEdge {
  readonly sent: string[] = [];
  most = 0;
  /** Uploads wait for this. */
  gate: Promise<unknown> = Promise.resolve();
  failing: (upload: Upload) => boolean = () => false;
  onUpload = () => {};
  #flying = 0;

  beginUpload(): ReturnType<UploadEdge['beginUpload']> {
    const value = { uploadId: 'upload', partBytes: UPLOAD_PART_BYTES };
    return Promise.resolve({ ok: true, value });
  }

  uploadPart(part: PartUpload): ReturnType<UploadEdge['uploadPart']> {
    this.sent.push(`${part.index}/parts/${part.number}`);
    return Promise.resolve({ ok: true, value: { etag: part.sha256 } });
  }

  finishUpload(
    file: Parameters<UploadEdge['finishUpload']>[0],
  ): ReturnType<UploadEdge['finishUpload']> {
    const { index, contentType, bytes, sha256 } = file;
    const key = `key-${index}-result`;
    return Promise.resolve({ ok: true, value: { key, contentType, bytes, sha256 } });
  }

  async upload(upload: Upload): ReturnType<UploadEdge['upload']> {
    this.most = Math.max(this.most, ++this.#flying);
    const { index, role, contentType, bytes, sha256 } = upload;
    this.sent.push(`${index}/${role}`);
    this.onUpload();
    await this.gate;
    this.#flying--;
    if (this.failing(upload)) return { ok: false, failure: UNREACHABLE };
    return { ok: true, value: { key: `key-${index}-${role}`, contentType, bytes, sha256 } };
  }
}

function task(
  edge: UploadTask['edge'],
  outputs: readonly Output[],
  done = new Map<string, UploadAnswer>(),
) {
  return { edge, grant: GRANT, outputs, done, signal: new AbortController().signal };
}

it('gives the artifacts in order, with the keys of their files', async () => {
  const outputs = [await output('a', 10, 4), await output('b', 20)];
  const result = await uploadOutputs(task(new Sink(), outputs));
  const sha256 = createHash('sha256').update(Buffer.alloc(10, 'a')).digest('hex');
  expect(result).toMatchObject({
    ok: true,
    artifacts: [
      { index: 0, key: 'key-0-result', thumbnailKey: 'key-0-thumbnail', bytes: 10, sha256 },
      { index: 1, key: 'key-1-result', thumbnailKey: null, bytes: 20, width: 1, height: 2 },
    ],
  });
});

it('sends files at once, but not more than the bound', async () => {
  const outputs = await Promise.all(
    ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => output(name, 9, 9)),
  );
  const sink = new Sink();
  const { promise, resolve } = Promise.withResolvers<void>();
  sink.gate = promise;
  sink.onUpload = () => {
    if (sink.sent.length === UPLOADS_MAX) resolve();
  };
  await uploadOutputs(task(sink, outputs));
  expect(sink.sent).toHaveLength(12);
  expect(sink.most).toBe(UPLOADS_MAX);
});

it('sends only what has not arrived when it is tried again', async () => {
  const outputs = [await output('a', 10, 4)];
  const sink = new Sink();
  const done = new Map<string, UploadAnswer>();
  sink.failing = ({ role }) => role === 'thumbnail';
  expect(await uploadOutputs(task(sink, outputs, done))).toEqual({
    ok: false,
    failure: UNREACHABLE,
  });
  sink.failing = () => false;
  expect(await uploadOutputs(task(sink, outputs, done))).toMatchObject({ ok: true });
  expect(sink.sent.filter((part) => part === '0/result')).toHaveLength(1);
});

it.each([
  ['an empty file', 0, 0],
  ['a thumbnail over its bound', 10, THUMBNAIL_BYTES_MAX + 1],
])('refuses %s before it is sent', async (_, bytes, thumbnailBytes) => {
  const sink = new Sink();
  const result = await uploadOutputs(task(sink, [await output('a', bytes, thumbnailBytes)]));
  expect(result).toMatchObject({ ok: false, failure: { code: 'artifact_too_large' } });
});

/** An output of so many bytes, none of which takes room on the disk. */
async function sparse(name: string, bytes: number): Promise<Output> {
  const made = await output(name, 1);
  await truncate(made.path, bytes);
  return made;
}

it('sends a result that is larger than a part in parts, and the others whole', async () => {
  const sink = new Sink();
  const outputs = [
    await sparse('a', UPLOAD_PART_BYTES + 1),
    await sparse('b', UPLOAD_PART_BYTES),
    await output('c', 10, 4),
  ];
  const result = await uploadOutputs(task(sink, outputs));
  expect(result).toMatchObject({
    artifacts: [{ bytes: UPLOAD_PART_BYTES + 1 }, { bytes: UPLOAD_PART_BYTES }, { bytes: 10 }],
  });
  const whole = ['1/result', '2/result', '2/thumbnail'];
  expect(sink.sent.toSorted()).toEqual(['0/parts/1', '0/parts/2', ...whole]);
  expect([await hasLarge(outputs), await hasLarge(outputs.slice(1))]).toEqual([true, false]);
});

it('refuses a result over its bound before it is read', async () => {
  const sink = new Sink();
  const result = await uploadOutputs(task(sink, [await sparse('a', ARTIFACT_BYTES_MAX + 1)]));
  expect(result).toMatchObject({ ok: false, failure: { code: 'artifact_too_large' } });
  expect(sink.sent).toEqual([]);
});

it('says that a file is unreadable', async () => {
  const lost = { ...(await output('a')), path: join(directory, 'missing') };
  const result = await uploadOutputs(task(new Sink(), [lost]));
  expect(result).toMatchObject({ ok: false, failure: { reason: 'unreadable' } });
});

it('does not believe an edge that stored other bytes', async () => {
  const sink = new Sink();
  const edge = Object.assign(Object.create(sink) as Sink, {
    async upload(upload: Upload): ReturnType<UploadEdge['upload']> {
      const result = await sink.upload(upload);
      return result.ok ? { ok: true, value: { ...result.value, bytes: 1 } } : result;
    },
  });
  const result = await uploadOutputs(task(edge, [await output('a')]));
  expect(result).toMatchObject({ ok: false, failure: { reason: 'malformed' } });
});

it('is aborted as a value', async () => {
  const aborted = { ...task(new Sink(), [await output('a')]), signal: AbortSignal.abort() };
  expect(await uploadOutputs(aborted)).toMatchObject({ failure: { reason: 'aborted' } });
});
