/**
 * What an operator's own server has to do for its driver, as claims that are tried on it: the
 * same ones that the tests try on the doubles. Nothing is asked about how good its answers are.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { assert } from '#schema/assert.ts';
import type { JobSpec, SpeechSpec, TextSpec, TranscriptionSpec } from '#schema/job.ts';
import { findModel } from '#schema/model.ts';
import { EngineError } from '../engine.ts';
import type { Engine, RunResult } from '../engine.ts';
import { kindOf } from '../speech/sound.ts';

/** A cancelled job has ended within this time. */
const STOP_MS_MAX = 1000;
/** So long a recording is heard before that is cancelled. */
const HEARD_MS = 100;
/** A fast server that looks for new tokens only now and then has all of a shorter answer. */
const LONG_TOKENS = 1000;
const DISCOVER_MS = 10_000;

export interface Check {
  readonly claim: string;
  /** Null: it holds; else what was seen instead. */
  readonly fault: string | null;
}

interface Trial {
  readonly text: string;
  readonly pieces: number;
  readonly result: RunResult;
  readonly files: readonly Buffer[];
}

/** When a job is cancelled, if it is: after so many pieces of its answer, or so long in its run. */
interface Stop {
  readonly pieces?: number;
  readonly ms?: number;
}

/** Runs jobs on an engine, each in a folder of its own. */
class Bench {
  readonly #engine: Engine;
  readonly #recording: string | null;
  constructor(engine: Engine, recording: string | null) {
    this.#engine = engine;
    this.#recording = recording;
  }

  async run(spec: JobSpec, stop: Stop = {}): Promise<Trial & { readonly stopMs: number | null }> {
    const directory = await mkdtemp(join(tmpdir(), 'tessera-verify-'));
    const abort = new AbortController();
    let [text, pieces, stoppedAt] = ['', 0, 0];
    let timer: NodeJS.Timeout | undefined;
    const cancel = () => {
      stoppedAt = performance.now();
      abort.abort(new Error('cancelled'));
    };
    try {
      const result = await this.#engine.run(spec, {
        signal: abort.signal,
        directory,
        openInput: () =>
          this.#recording === null
            ? Promise.reject(new Error('there is no recording to try'))
            : Promise.resolve(this.#recording),
        onProgress: () => {
          if (stop.ms !== undefined) timer ??= setTimeout(cancel, stop.ms);
        },
        onPreview: () => {},
        onText: (piece) => {
          text += piece;
          pieces++;
          if (pieces === stop.pieces) cancel();
        },
      });
      const files = await Promise.all(result.outputs.map(({ path }) => readFile(path)));
      return { text, pieces, result, files, stopMs: null };
    } catch (error) {
      if (!abort.signal.aborted || error !== abort.signal.reason) throw error;
      const result = { outputs: [], usage: {}, loadMs: 0 };
      return { text, pieces, result, files: [], stopMs: performance.now() - stoppedAt };
    } finally {
      clearTimeout(timer);
      await rm(directory, { recursive: true, force: true });
    }
  }
}

type Claims = Readonly<Record<string, () => Promise<void>>>;

/**
 * Tries every claim on a server's engine, one after another; never rejects. A `recording` of
 * speech, a sound file, is what one that transcribes is tried with.
 */
export async function verifyEngine(
  engine: Engine,
  recording: string | null = null,
): Promise<readonly Check[]> {
  let models: readonly string[] = [];
  const discovery = await check('has models of the catalog', async () => {
    const info = await engine.discover(AbortSignal.timeout(DISCOVER_MS));
    models = info?.models ?? [];
    assert(models.length > 0, 'it announces a model');
  });
  const checks = [discovery];
  for (const id of models) {
    for (const [claim, act] of Object.entries(claimsOf(new Bench(engine, recording), id))) {
      checks.push(await check(`${id}: ${claim}`, act));
    }
  }
  return checks;
}

async function check(claim: string, act: () => Promise<void>): Promise<Check> {
  try {
    await act();
    return { claim, fault: null };
  } catch (error) {
    return { claim, fault: error instanceof Error ? error.message : String(error) };
  }
}

function claimsOf(bench: Bench, id: string): Claims {
  switch (findModel(id)?.type) {
    case 'text':
      return textClaims(bench, id);
    case 'speech':
      return speechClaims(bench, id);
    case 'transcription':
      return transcriptionClaims(bench, id);
    default:
      return {};
  }
}

function textClaims(bench: Bench, model: string): Claims {
  const messages: TextSpec['messages'] = [
    { role: 'system', content: 'You answer in plain words.' },
    { role: 'user', content: 'Tell me a short story about a lighthouse.' },
  ];
  const sampling = { temperature: 0.2, top_p: 1, seed: 7, stop: [] };
  const spec: TextSpec = {
    type: 'text',
    model,
    messages,
    prompt: null,
    max_tokens: 64,
    ...sampling,
  };
  let story = '';
  return {
    'streams an answer in pieces, and the file is what was streamed': async () => {
      const { text, pieces, files, result } = await bench.run(spec);
      story = text;
      const long = pieces > 1 ? { pieces } : await bench.run({ ...spec, max_tokens: LONG_TOKENS });
      assert(long.pieces > 1, `it comes in pieces, not ${long.pieces}`);
      assert(files[0]?.toString() === text, 'the file is the text');
      const { completionTokens = 0 } = result.usage;
      assert(completionTokens >= 1 && completionTokens <= 64, `${completionTokens} of 64 tokens`);
    },
    'completes a plain prompt': async () => {
      const { text } = await bench.run({ ...spec, messages: [], prompt: 'Once upon a time' });
      assert(text.trim() !== '', 'it goes on');
    },
    'stops at a stop sequence': async () => {
      const stop = story.slice(story.length >> 1, (story.length >> 1) + 4);
      const { text } = await bench.run({ ...spec, stop: [stop] });
      assert(stop !== '' && !text.includes(stop), 'the stop sequence is not in the text');
    },
    'ends within a second when it is cancelled, and runs the next job': async () => {
      const { stopMs } = await bench.run({ ...spec, max_tokens: 1000 }, { pieces: 2 });
      assert(stopMs !== null && stopMs <= STOP_MS_MAX, `it ended in ${stopMs} ms`);
      await bench.run({ ...spec, max_tokens: 4 });
    },
    'shortens a conversation that is too long, and says so': async () => {
      const content = 'The lamp turns and the sea is wide. '.repeat(40);
      const turns = Array.from({ length: 198 }, (_, index) => ({
        role: index % 2 === 0 ? ('user' as const) : ('assistant' as const),
        content: content.slice(0, 600),
      }));
      const long = [messages[0]!, ...turns, messages[1]!];
      const { files } = await bench.run({ ...spec, messages: long, max_tokens: 8 });
      // A model with a long memory reads it all.
      const note = files[1]?.toString() ?? 'left out of nothing';
      assert(note.includes('left out'), 'what was left out is told');
    },
  };
}

function speechClaims(bench: Bench, model: string): Claims {
  const { voices = [], formats = ['wav'] } = findModel(model) ?? {};
  const input = 'The lighthouse stands on a rock. Its lamp turns all night.';
  const plain = { type: 'speech', speed: 1, language: 'en', format: 'wav' } as const;
  const spec: SpeechSpec = { ...plain, model, input, voice: voices[0] ?? 'default' };
  const lengthOf = async (changes: Partial<SpeechSpec>) =>
    (await bench.run({ ...spec, ...changes })).result.outputs[0]?.durationS ?? 0;
  const inFormats = formats.map((format): [string, () => Promise<void>] => [
    `speaks as ${format}`,
    async () => {
      const { files, result } = await bench.run({ ...spec, format });
      const kind = kindOf(files[0] ?? Buffer.alloc(0));
      assert(kind?.contentType === result.outputs[0]?.contentType, 'the file is what it says');
      assert((kind?.durationS ?? 0) > 0.5, `it plays for ${kind?.durationS} s`);
    },
  ]);
  const inVoices = voices.map((voice): [string, () => Promise<void>] => [
    `speaks with the voice ${voice}`,
    async () => assert((await lengthOf({ voice })) > 0.5, 'it speaks'),
  ]);
  return {
    ...Object.fromEntries([...inFormats, ...inVoices]),
    'speaks faster when told': async () => {
      const [slow, fast] = [await lengthOf({ speed: 0.75 }), await lengthOf({ speed: 1.5 })];
      assert(slow > fast * 1.3, `${slow} s slow, ${fast} s fast`);
    },
    'refuses a voice that it has not': async () => {
      const refused = await bench
        .run({ ...spec, voice: 'nobody' })
        .catch((error: unknown) => error);
      const code = refused instanceof EngineError ? refused.code : 'nothing';
      assert(code === 'engine_rejected', `it is refused, not ${code}`);
    },
  };
}

const Span = { start: z.number(), end: z.number() };
const HeardWords = z.object({
  segments: z.array(z.object({ ...Span, words: z.array(z.object(Span)) })).min(1),
});

function transcriptionClaims(bench: Bench, model: string): Claims {
  const plain = { type: 'transcription', file: 'recording', language: 'auto' } as const;
  const spec: TranscriptionSpec = {
    ...plain,
    model,
    translate: false,
    timestamps: 'segment',
    format: 'text',
  };
  const hear = async (changes: Partial<TranscriptionSpec>) => {
    const { files, result } = await bench.run({ ...spec, ...changes });
    return { text: files[0]?.toString() ?? '', audioS: result.usage.audioS ?? 0 };
  };
  return {
    'writes what it hears, and says how long the recording is': async () => {
      const { text, audioS } = await hear({});
      assert(text.trim() !== '', 'there is a text');
      assert(audioS > 0, `it is ${audioS} s long`);
    },
    'gives the times of segments and words, in order': async () => {
      const { text } = await hear({ timestamps: 'word', format: 'json' });
      const { segments } = HeardWords.parse(JSON.parse(text));
      const words = segments.flatMap((segment) => segment.words);
      assert(words.length > 0, 'words have times');
      for (const { start, end } of [...segments, ...words]) {
        assert(start >= 0 && end >= start, `from ${start} to ${end} s`);
      }
      const isSorted = words.every(({ start }, i) => i === 0 || start >= words[i - 1]!.start);
      assert(isSorted, 'words begin one after the other');
    },
    'writes subtitles': async () => {
      const [srt, vtt] = [await hear({ format: 'srt' }), await hear({ format: 'vtt' })];
      assert(/^1\n00:00:\d\d,\d{3} --> /.test(srt.text), 'SRT has numbers and times');
      assert(vtt.text.startsWith('WEBVTT\n\n'), 'WebVTT says that it is');
    },
    'ends within a second when it is cancelled, and hears the next one': async () => {
      // One that was through before has nothing to stop.
      const { stopMs } = await bench.run(spec, { ms: HEARD_MS });
      assert((stopMs ?? 0) <= STOP_MS_MAX, `it ended in ${stopMs} ms`);
      assert((await hear({})).text.trim() !== '', 'there is a text');
    },
    'translates into English': async () => {
      assert((await hear({ translate: true })).text.trim() !== '', 'there is a text');
    },
  };
}
