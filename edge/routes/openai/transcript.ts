/** A transcription job's file, as OpenAI's clients expect it, whole or as the events of a stream. */
import { TranscriptFile } from '#schema/openai/audio.ts';
import type {
  Transcription,
  TranscriptionEvent,
  VerboseTranscription,
} from '#schema/openai/audio.ts';
import type { JobRecord } from '#schema/record.ts';
import type { Env } from '../../env.ts';
import { findEnd } from '../../services/openai/await-end.ts';
import type { Followed } from '../../services/openai/follow-events.ts';
import { refuse } from '../wire.ts';
import { toEndWire } from './outcome.ts';
import { readText } from './text.ts';

/** What the client asked for. */
export interface Wanted {
  readonly task: VerboseTranscription['task'];
  readonly format: 'json' | 'text' | 'srt' | 'verbose_json' | 'vtt';
  readonly granularities: readonly ('word' | 'segment')[];
}

const WRITTEN = { text: 'text/plain', srt: 'application/x-subrip', vtt: 'text/vtt' } as const;

/** The body of the answer. */
export async function readAnswer(
  env: Env,
  record: JobRecord,
  wanted: Wanted,
): Promise<{ text: string; contentType: string }> {
  const written = await readText(env, record);
  const { format } = wanted;
  if (format !== 'json' && format !== 'verbose_json') {
    return { text: written, contentType: `${WRITTEN[format]}; charset=utf-8` };
  }
  const file = TranscriptFile.parse(JSON.parse(written));
  const answer = format === 'json' ? toShort(file) : toVerbose(file, wanted);
  return { text: JSON.stringify(answer), contentType: 'application/json' };
}

/** The frames: engines tell the text at the end, so it comes in one piece. */
export async function* tellTranscript(
  env: Env,
  { id: jobId, accountId }: JobRecord,
  events: AsyncIterable<Followed>,
): AsyncGenerator<string> {
  const line = events[Symbol.asyncIterator]();
  for (let next = await line.next(); !next.done;) next = await line.next();
  const ended = await findEnd(env, { jobId, accountId });
  if (!ended.ok) refuse(toEndWire(ended.error));
  const text = await readPlain(env, ended.value);
  yield toFrame({ type: 'transcript.text.delta', delta: text });
  yield toFrame({ type: 'transcript.text.done', text });
}

async function readPlain(env: Env, record: JobRecord): Promise<string> {
  const written = await readText(env, record);
  if (record.spec.type === 'transcription' && record.spec.format === 'text') return written.trim();
  return TranscriptFile.parse(JSON.parse(written)).text;
}

function toShort({ text, duration }: TranscriptFile): Transcription {
  return { text, usage: usageOf(duration) };
}

function toVerbose(file: TranscriptFile, { task, granularities }: Wanted): VerboseTranscription {
  const { text, language, duration, segments = [] } = file;
  const bySegment = granularities.length === 0 || granularities.includes('segment');
  return {
    task,
    language: language ?? 'unknown',
    duration,
    text,
    ...(bySegment ? { segments: segments.map(toSegment) } : {}),
    ...(granularities.includes('word')
      ? { words: segments.flatMap(({ words = [] }) => words) }
      : {}),
    usage: usageOf(duration),
  };
}

function toSegment({ id, text, start, end }: NonNullable<TranscriptFile['segments']>[number]) {
  return { id, text, start, end };
}

/** Seconds that were listened to, begun ones whole. */
function usageOf(durationS: number): Transcription['usage'] {
  return { type: 'duration', seconds: Math.ceil(durationS) };
}

function toFrame(event: TranscriptionEvent): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
}
