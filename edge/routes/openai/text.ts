/**
 * What chats and completions share: the job that is asked for, and its text as it comes. The file
 * that the job leaves is the truth; the events before it only come sooner.
 */
import type { Followed } from '../../services/openai/follow-events.ts';
import type { JobRecord } from '#schema/record.ts';
import type { FinishReason } from '#schema/openai/text.ts';
import { endUserOf } from '#schema/openai/parameter.ts';
import type { TextUsage } from '#schema/openai/parameter.ts';
import type { Env } from '../../env.ts';
import { findEnd } from '../../services/openai/await-end.ts';
import { openResult } from '../../services/openai/open-result.ts';
import { refuse } from '../wire.ts';
import { toEndWire, toOpenWire } from './outcome.ts';

/** What OpenAI's models do when nothing is said. */
const TEMPERATURE = 1;

interface Sampling {
  readonly model?: string | null | undefined;
  readonly temperature?: number | null | undefined;
  readonly top_p?: number | null | undefined;
  readonly seed?: number | null | undefined;
  readonly stop?: string | readonly string[] | null | undefined;
  readonly user?: string | null | undefined;
  readonly safety_identifier?: string | null | undefined;
}

/** The parameters of a text job that both take. */
export function toSampling(sampling: Sampling) {
  const { model, temperature, top_p, seed, stop } = sampling;
  return {
    type: 'text',
    model,
    temperature: temperature ?? TEMPERATURE,
    top_p,
    seed,
    stop: typeof stop === 'string' ? [stop] : stop,
    metadata: endUserOf(sampling),
  };
}

/** To the last character: a mark of byte order is one too, and was streamed. */
const DECODER = new TextDecoder('utf-8', { fatal: false, ignoreBOM: true });

/** The whole text of a completed job. */
export async function readText(env: Env, record: JobRecord): Promise<string> {
  const opened = await openResult(env, record, { index: 0 });
  if (!opened.ok) refuse(toOpenWire(opened.error));
  return DECODER.decode(await opened.value.object.bytes());
}

export function finishOf({ spec, usage }: JobRecord): FinishReason {
  const isCut = spec.type === 'text' && (usage.completionTokens ?? 0) >= spec.max_tokens;
  return isCut ? 'length' : 'stop';
}

export function usageOf({ usage }: JobRecord): TextUsage {
  const { promptTokens = 0, completionTokens = 0 } = usage;
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
}

/** How a route frames its stream. */
export interface TextFrames {
  /** Before the first piece. */
  readonly begin: string;
  readonly piece: (text: string) => string;
  readonly end: (record: JobRecord) => string;
}

/**
 * The frames of a text. Another attempt begins anew: what it repeats is not told again, and when
 * its words are others than those already told, the stream cannot go on.
 */
export async function* tellText(
  env: Env,
  { record, frames }: { record: JobRecord; frames: TextFrames },
  events: AsyncIterable<Followed>,
): AsyncGenerator<string> {
  yield frames.begin;
  let told = '';
  for await (const event of events) {
    if (event.event !== 'text') continue;
    const { offset, text } = event.data;
    const known = told.slice(offset, offset + text.length);
    if (offset > told.length) continue;
    if (!text.startsWith(known)) refuse({ code: 'stream_restarted' });
    const fresh = text.slice(known.length);
    told += fresh;
    if (fresh !== '') yield frames.piece(fresh);
  }
  const ended = await findEnd(env, { jobId: record.id, accountId: record.accountId });
  if (!ended.ok) refuse(toEndWire(ended.error));
  const whole = await readText(env, ended.value);
  if (!whole.startsWith(told)) refuse({ code: 'stream_restarted' });
  if (whole.length > told.length) yield frames.piece(whole.slice(told.length));
  yield frames.end(ended.value);
}

export function toFrame(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}
