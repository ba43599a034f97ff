/** The engine against a stand-in for the recogniser, and against the real one where it is. */
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { SpeechSpec, TranscriptionSpec } from '#schema/job.ts';
import { ServerBench } from './doubles/server-bench.ts';
import { wavOf } from './doubles/speech.ts';
import { createFlite } from './flite.ts';
import { createPocketsphinx } from './pocketsphinx.ts';
import { toTranscript } from './pocketsphinx/words.ts';

const SPEC: TranscriptionSpec = {
  type: 'transcription',
  model: 'pocketsphinx',
  file: 'file_01k00000000000000000000000',
  language: 'auto',
  translate: false,
  timestamps: 'word',
  format: 'json',
};
const TOLD = `the quick fox
<s> 0.000 0.140 0.999800
the 0.150 0.270 0.556289
quick 0.280 0.550 0.179335
fox(2) 0.910 1.280 0.999900
</s> 1.290 1.320 1.000000

<s> 2.000 2.100 1.000000
[NOISE] 2.110 2.200 0.500000
to
<sil> 3.000 3.100 0.500000
to(2) 3.270 3.390 0.498286
`;
const never = new AbortController().signal;

function has(command: string): boolean {
  try {
    execFileSync('/bin/sh', ['-c', `command -v ${command}`]);
    return true;
  } catch {
    return false;
  }
}

const bench = new ServerBench();
let bin: string;
/** What the stand-ins do, in shell; the recogniser's `$2` is the recording. */
async function install(name: string, script: string): Promise<void> {
  const path = join(bin, name);
  await writeFile(path, `#!/bin/sh\n${script}\n`);
  await chmod(path, 0o755);
}

describe('the words of the recogniser', () => {
  it('become a segment for each utterance, without noises and variants', () => {
    const { text, segments, language } = toTranscript(TOLD, 3.3);
    expect(text).toBe('the quick fox\nto');
    expect(language).toBe('en');
    expect(segments).toEqual([
      {
        text: 'the quick fox',
        start: 0.15,
        end: 1.28,
        words: [
          { text: 'the', start: 0.15, end: 0.27 },
          { text: 'quick', start: 0.28, end: 0.55 },
          { text: 'fox', start: 0.91, end: 1.28 },
        ],
      },
      { text: 'to', start: 3.27, end: 3.3, words: [{ text: 'to', start: 3.27, end: 3.3 }] },
    ]);
  });

  it('may be none', () => {
    expect(toTranscript('', 1).segments).toEqual([]);
  });
});

describe('a box', () => {
  beforeEach(async () => {
    bin = await mkdtemp(join(tmpdir(), 'sphinx-bin-'));
    vi.stubEnv('PATH', bin);
    bench.source = join(bench.directory, 'recording.wav');
    await writeFile(bench.source, wavOf(2));
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await rm(bin, { recursive: true });
  });

  it('without the recogniser announces nothing', async () => {
    expect(await createPocketsphinx().discover(never)).toBeNull();
    const run = bench.run(createPocketsphinx(), SPEC);
    expect(await bench.failure(run)).toMatchObject({ code: 'engine_unavailable' });
  });

  it('whose recogniser lacks its model of English announces nothing', async () => {
    await install('pocketsphinx_continuous', 'exit 1');
    expect(await createPocketsphinx().discover(never)).toBeNull();
  });

  it('without ffmpeg says so of a recording that needs it', async () => {
    await install('pocketsphinx_continuous', 'exit 0');
    const engine = createPocketsphinx();
    expect((await engine.discover(never))?.models).toEqual(['pocketsphinx']);
    const failure = await bench.failure(bench.run(engine, SPEC));
    expect(failure).toMatchObject({ code: 'input_unreadable', retryable: false });
    expect(failure.detail).toMatch(/without ffmpeg/);
  });

  it('refuses what it cannot do, and hears nothing in silence', async () => {
    await install('pocketsphinx_continuous', 'exit 0');
    await install(
      'ffmpeg',
      'for output; do :; done; /bin/cp "$(/usr/bin/dirname "$0")/plain.wav" "$output"',
    );
    const plain = wavOf(2);
    plain.writeUInt32LE(16_000, 24);
    plain.writeUInt32LE(32_000, 28);
    await writeFile(join(bin, 'plain.wav'), plain);
    const engine = createPocketsphinx();
    await engine.discover(never);
    for (const odd of [{ language: 'fr' }, { translate: true }]) {
      const failure = await bench.failure(bench.run(engine, { ...SPEC, ...odd }));
      expect(failure).toMatchObject({ code: 'engine_rejected', retryable: false });
    }
    const failure = await bench.failure(bench.run(engine, SPEC));
    expect(failure).toMatchObject({ code: 'input_unreadable' });
    await install('pocketsphinx_continuous', 'echo "FATAL: out of luck" > "$6"; exit 3');
    expect(await bench.failure(bench.run(engine, SPEC))).toMatchObject({
      code: 'job_failed',
      retryable: true,
      detail: expect.stringMatching(/code 3: FATAL: out of luck/) as string,
    });
  });

  it('ends the recogniser with the lease', async () => {
    await install('pocketsphinx_continuous', 'exit 0');
    const engine = createPocketsphinx();
    await engine.discover(never);
    const plain = wavOf(2);
    plain.writeUInt32LE(16_000, 24);
    plain.writeUInt32LE(32_000, 28);
    await writeFile(bench.source, plain);
    const mark = join(bin, 'pid');
    await install(
      'pocketsphinx_continuous',
      `echo $$ > '${mark}'; exec /usr/bin/tail -f /dev/null`,
    );
    const run = bench.run(engine, SPEC);
    const ended = expect(run).rejects.toThrow('cancelled');
    const pid = await vi.waitUntil(
      async () => Number(await readFile(mark, 'utf8').catch(() => '')),
      {
        timeout: 30_000,
        interval: 5,
      },
    );
    bench.abort.abort(new Error('cancelled'));
    await ended;
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });
});

describe.runIf(has('pocketsphinx_continuous') && has('ffmpeg'))('the real recogniser', () => {
  it('writes down what was spoken, with the time of each word', async () => {
    const engine = createPocketsphinx();
    expect(await engine.discover(never)).toMatchObject({ models: ['pocketsphinx'] });
    const speech: SpeechSpec = {
      ...{ type: 'speech', model: 'flite', voice: 'slt', speed: 1, language: 'en' },
      ...{ input: 'The quick brown fox jumps over the lazy dog.', format: 'ogg' },
    };
    const flite = createFlite();
    const folder = join(bench.directory, 'spoken');
    await mkdir(folder);
    const spoken = await flite.run(speech, { ...bench.context(), directory: folder });
    await flite.close();
    bench.source = spoken.outputs[0]!.path;
    const { outputs, usage } = await bench.run(engine, SPEC);
    expect(outputs[0]?.contentType).toBe('application/json');
    expect(usage.audioS).toBeGreaterThan(2);
    const told = JSON.parse(await bench.file('0.json')) as {
      text: string;
      segments: { words: { word: string; start: number; end: number }[] }[];
    };
    for (const word of ['quick', 'brown', 'fox', 'lazy']) expect(told.text).toContain(word);
    const words = told.segments.flatMap((segment) => segment.words);
    const times = words.map(({ start }) => start);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(words.at(-1)!.end).toBeLessThanOrEqual(usage.audioS!);
  });
});
