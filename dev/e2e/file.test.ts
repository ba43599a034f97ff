/**
 * Files through the whole system: what one engine made is what another works on. Speech is spoken
 * by Flite, sent as a file, and written down by PocketSphinx where that is installed; a picture is
 * painted over, enlarged, and deleted for good.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { JobView } from '#schema/api.ts';
import { FileView } from '#schema/file.ts';
import { call, isTerminal } from '../api.ts';
import { findFreePort } from '../port.ts';
import { removePostgresData } from '../postgres-home.ts';
import { quiet } from '../progress.ts';
import { LocalSystem } from '../system.ts';

const ENDS = { timeout: 90_000, interval: 250 };
const Transcript = z.object({
  text: z.string(),
  segments: z.array(
    z.object({
      words: z.array(z.object({ word: z.string(), start: z.number(), end: z.number() })),
    }),
  ),
});

let data: string;
let system: LocalSystem;

beforeAll(async () => {
  data = mkdtempSync(join(tmpdir(), 'tessera-files-'));
  const port = await findFreePort();
  system = new LocalSystem({ data, port, site: false, print: quiet });
  await system.start();
});

afterAll(async () => {
  await system.stop();
  removePostgresData(join(data, 'postgres'));
  rmSync(data, { recursive: true, force: true });
});

function hasRecogniser(): boolean {
  try {
    execFileSync('/bin/sh', ['-c', 'command -v pocketsphinx_continuous && command -v ffmpeg']);
    return true;
  } catch {
    // Not installed on this machine.
    return false;
  }
}

function ask(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object): Promise<unknown> {
  const { baseUrl, apiKey: bearer } = system.credentials;
  return call(`${baseUrl}${path}`, { method, bearer, ...(body ? { body } : {}) });
}

/** Submits a job and waits for its end, which must be good. */
async function make(body: object): Promise<JobView> {
  const { id } = JobView.parse(await ask('POST', '/v1/jobs', body));
  return vi.waitFor(async () => {
    const job = JobView.parse(await ask('GET', `/v1/jobs/${id}`));
    expect(isTerminal(job)).toBe(true);
    expect(job).toMatchObject({ status: 'completed', error: null });
    return job;
  }, ENDS);
}

async function fetchResult({ artifacts: [artifact] }: JobView): Promise<Buffer> {
  const response = await fetch(artifact?.url ?? '');
  expect(response.status).toBe(200);
  return Buffer.from(await response.arrayBuffer());
}

async function send(bytes: Buffer, contentType: string): Promise<FileView> {
  const { baseUrl, apiKey } = system.credentials;
  const response = await fetch(`${baseUrl}/v1/files`, {
    method: 'POST',
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': contentType },
    body: new Uint8Array(bytes),
  });
  expect(response.status).toBe(201);
  return FileView.parse(await response.json());
}

describe('speech', () => {
  it.runIf(hasRecogniser())('is spoken, sent, and written down word by word', async () => {
    const input = 'The quick brown fox jumps over the lazy dog.';
    const spoken = await make({ type: 'speech', model: 'flite', input, format: 'wav' });
    const file = await send(await fetchResult(spoken), 'audio/wav');
    expect(file).toMatchObject({ purpose: 'audio', content_type: 'audio/wav' });
    const heard = await make({
      type: 'transcription',
      file: file.id,
      timestamps: 'word',
      format: 'json',
    });
    expect(heard.model).toBe('pocketsphinx');
    const { text, segments } = Transcript.parse(JSON.parse(String(await fetchResult(heard))));
    for (const word of ['quick', 'brown', 'fox', 'lazy']) expect(text).toContain(word);
    const words = segments.flatMap((segment) => segment.words);
    expect(words.length).toBeGreaterThanOrEqual(8);
    expect(words.at(-1)!.end).toBeLessThanOrEqual(file.duration_s!);
    // Priced by its length, and at the least possible.
    expect(heard.cost.settled).toBeCloseTo((file.duration_s! / 60) * 0.1, 2);
  });
});

describe('a picture', () => {
  it('is painted over and enlarged, and is gone when it is deleted', async () => {
    const SIZE = { width: 256, height: 192, steps: 4 };
    const first = await make({ type: 'image', model: 'painter', prompt: 'a red boat', ...SIZE });
    const from = { job_id: first.id, index: 0 };
    const file = FileView.parse(await ask('POST', '/v1/files', from));
    expect(file).toMatchObject({ width: 256, height: 192, content_type: 'image/png' });
    const second = await make({
      ...{ type: 'image', model: 'painter', prompt: 'a winter night', ...SIZE },
      ...{ input_image: file.id, strength: 0.5, upscale: 2 },
    });
    expect(second.artifacts[0]).toMatchObject({ width: 512, height: 384 });
    expect((await fetchResult(second)).subarray(1, 4).toString()).toBe('PNG');
    await ask('DELETE', `/v1/jobs/${second.id}`);
    expect((await fetch(second.artifacts[0]!.url)).status).toBe(404);
    const left = JobView.parse(await ask('GET', `/v1/jobs/${second.id}`));
    expect(left).toMatchObject({ artifacts: [], status: 'completed' });
    expect(JSON.stringify(left)).not.toContain('winter');
  });
});
