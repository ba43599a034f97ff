import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import sharp from 'sharp';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ContentType } from '#schema/artifact.ts';
import { TestClassifier } from '../doubles/classifier.ts';
import { openMp4 } from '../engines/animator/film.ts';
import type { Output } from '../engines/engine.ts';
import { findCommand } from '../engines/ffmpeg.ts';
import { checkOutputs } from './classifier.ts';
import type { Classifier } from './classifier.ts';

const FINE = 1;
const BAD = 2;
const { signal } = new AbortController();
const ffmpegHere = await findCommand('ffmpeg', signal);
const RED = [230, 20, 20] as const;
const BLUE = [20, 20, 230] as const;
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

const check = (outputs: readonly Output[], ffmpeg: string | null = null) =>
  checkOutputs(outputs, { classifier, directory, signal, ffmpeg });

/** An ffmpeg that leaves these pictures, whatever it is given, and says so when there is none. */
async function ffmpegOf(...bytes: readonly number[]): Promise<string> {
  const path = join(directory, 'ffmpeg');
  const octal = (byte: number) => `\\${byte.toString(8)}`;
  const lines = bytes.map((byte, i) => `printf '${octal(byte)}' > "$folder/00${i + 1}.jpg"`);
  const last = 'for out; do :; done; folder=$(dirname "$out")';
  const end = bytes.length === 0 ? 'echo "moov atom not found" >&2; exit 1' : 'exit 0';
  await writeFile(path, ['#!/bin/sh', last, ...lines, end].join('\n'), { mode: 0o755 });
  return path;
}

it('lets pictures pass that are not blocked, and looks at each', async () => {
  const paths = [await file('0.png', FINE), await file('1.jpg', FINE)];
  const outputs = [output(paths[0]!, 'image/png'), output(paths[1]!, 'image/jpeg')];
  await check(outputs);
  expect(classifier.looked).toEqual(paths);
});

it('blocks a job when one of its pictures is blocked', async () => {
  const outputs = [
    output(await file('0.png', FINE), 'image/png'),
    output(await file('1.png', BAD), 'image/png'),
  ];
  await expect(check(outputs)).rejects.toMatchObject({
    code: 'content_blocked',
    retryable: false,
  });
});

it('goes by the first frame of a video without ffmpeg, and sends none that has not even that', async () => {
  const [video, frame] = [await file('0.mp4', FINE), await file('0.webp', BAD)];
  await expect(check([output(video, 'video/mp4', frame)])).rejects.toMatchObject({
    code: 'content_blocked',
  });
  await expect(check([output(video, 'video/mp4')])).rejects.toMatchObject({ code: 'job_failed' });
});

describe('a video', () => {
  it('is looked at in several places, its first frame first, and nothing of that is left', async () => {
    const [video, frame] = [await file('0.mp4', FINE), await file('0.webp', FINE)];
    const ffmpeg = await ffmpegOf(FINE, FINE, FINE);
    await check([output(video, 'video/mp4', frame)], ffmpeg);
    const names = classifier.looked.map((path) => basename(path));
    expect(names).toEqual(['0.webp', '001.jpg', '002.jpg', '003.jpg']);
    expect((await readdir(directory)).toSorted()).toEqual(['0.mp4', '0.webp', 'ffmpeg']);
  });

  it('is blocked by any of its pictures, also one that is not the first', async () => {
    const ffmpeg = await ffmpegOf(FINE, BAD, FINE);
    const videos = [output(await file('0.mp4', FINE), 'video/mp4')];
    await expect(check(videos, ffmpeg)).rejects.toMatchObject({
      code: 'content_blocked',
      retryable: false,
    });
    expect(classifier.looked).toHaveLength(2);
    expect((await readdir(directory)).toSorted()).toEqual(['0.mp4', 'ffmpeg']);
  });

  it('is not sent when it cannot be taken apart', async () => {
    const [video, frame] = [await file('0.mp4', FINE), await file('0.webp', FINE)];
    const checking = check([output(video, 'video/mp4', frame)], await ffmpegOf());
    await expect(checking).rejects.toMatchObject({ code: 'job_failed', retryable: true });
    await expect(checking).rejects.toThrow('moov atom not found');
  });

  it.runIf(ffmpegHere !== null)('is blocked for one second of it, by the real ffmpeg', async () => {
    const looked: string[] = [];
    const byColour: Classifier = {
      classify: async (path) => {
        const { channels } = await sharp(path).stats();
        looked.push(path);
        const blocked = channels[0]!.mean > 128;
        return { blocked, label: blocked ? 'red' : 'blue', score: 1 };
      },
      close: () => Promise.resolve(),
    };
    const parts = { classifier: byColour, directory, signal };
    for (const [redAtS, isSent] of [
      [null, true],
      [4, false],
      [7, false],
    ] as const) {
      const video = { ...output(await filmOf(redAtS), 'video/mp4'), durationS: 8 };
      const done = checkOutputs([video], parts).then(() => true);
      if (isSent) expect(await done).toBe(true);
      else await expect(done).rejects.toMatchObject({ code: 'content_blocked' });
    }
    expect(looked.length).toBeGreaterThan(9);
  });
});

/** Eight seconds of blue, with one of red in it. */
async function filmOf(redAtS: number | null): Promise<string> {
  const film = openMp4(ffmpegHere!, { width: 64, height: 48, fps: 4 }, directory);
  for (let frame = 0; frame < 32; frame++) {
    const isRed = redAtS !== null && Math.floor(frame / 4) === redAtS;
    const rgb = Buffer.alloc(64 * 48 * 3, Buffer.from(isRed ? RED : BLUE));
    await film.add(rgb);
  }
  return (await film.end()).path;
}

it('does not look at text and sound', async () => {
  await check([output('gone.txt', 'text/plain')]);
  await check([output('gone.wav', 'audio/wav')]);
  expect(classifier.looked).toEqual([]);
});

it('sends nothing when it cannot look', async () => {
  classifier.fault = new Error('no memory');
  const outputs = [output(await file('0.png', FINE), 'image/png')];
  await expect(check(outputs)).rejects.toMatchObject({
    code: 'job_failed',
    retryable: true,
  });
});

it('does not take a video as looked at that it was told to stop looking at', async () => {
  const paths = [await file('0.mp4', FINE), await file('0.webp', FINE)];
  const stop = new AbortController();
  const stopping: Classifier = {
    classify: async (path) => {
      const verdict = await classifier.classify(path);
      stop.abort(new Error('stopped'));
      return verdict;
    },
    close: () => Promise.resolve(),
  };
  const parts = { classifier: stopping, directory, signal: stop.signal };
  const checked = checkOutputs([output(paths[0]!, 'video/mp4', paths[1])], parts);
  await expect(checked).rejects.toThrow('stopped');
});
