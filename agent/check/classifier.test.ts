import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { ContentType } from '#schema/artifact.ts';
import { TestClassifier } from '../doubles/classifier.ts';
import type { Output } from '../engines/engine.ts';
import { checkOutputs } from './classifier.ts';

const FINE = 1;
const BAD = 2;
const { signal } = new AbortController();
let directory: string;
let classifier: TestClassifier;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'check-'));
  classifier = new TestClassifier();
  classifier.blocks.add(BAD);
});
afterEach(() => rm(directory, { recursive: true }));

async function file(name: string, byte: number): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, Buffer.from([byte]));
  return path;
}
function output(path: string, contentType: ContentType, thumbnail: string | null = null): Output {
  const small = thumbnail === null ? null : { path: thumbnail, contentType: 'image/webp' as const };
  return { path, contentType, width: null, height: null, durationS: null, thumbnail: small };
}

it('lets pictures pass that are not blocked, and looks at each', async () => {
  const paths = [await file('0.png', FINE), await file('1.jpg', FINE)];
  const outputs = [output(paths[0]!, 'image/png'), output(paths[1]!, 'image/jpeg')];
  await checkOutputs(outputs, classifier, signal);
  expect(classifier.looked).toEqual(paths);
});

it('blocks a job when one of its pictures is blocked', async () => {
  const outputs = [
    output(await file('0.png', FINE), 'image/png'),
    output(await file('1.png', BAD), 'image/png'),
  ];
  await expect(checkOutputs(outputs, classifier, signal)).rejects.toMatchObject({
    code: 'content_blocked',
    retryable: false,
  });
});

it('goes by the first frame of a video, and sends none that has no frame to look at', async () => {
  const [video, frame] = [await file('0.mp4', FINE), await file('0.webp', BAD)];
  await expect(
    checkOutputs([output(video, 'video/mp4', frame)], classifier, signal),
  ).rejects.toMatchObject({ code: 'content_blocked' });
  await expect(
    checkOutputs([output(video, 'video/mp4')], classifier, signal),
  ).rejects.toMatchObject({ code: 'job_failed' });
});

it('does not look at text and sound', async () => {
  await checkOutputs([output('gone.txt', 'text/plain')], classifier, signal);
  await checkOutputs([output('gone.wav', 'audio/wav')], classifier, signal);
  expect(classifier.looked).toEqual([]);
});

it('sends nothing when it cannot look', async () => {
  classifier.fault = new Error('no memory');
  const outputs = [output(await file('0.png', FINE), 'image/png')];
  await expect(checkOutputs(outputs, classifier, signal)).rejects.toMatchObject({
    code: 'job_failed',
    retryable: true,
  });
});
