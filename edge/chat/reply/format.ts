/** Amounts, spans of time and names of things, in words. Pure. */
import type { JobSpec } from '#schema/job.ts';
import type { JobType } from '#schema/model.ts';
import { toTokens } from '#schema/price.ts';

/** What a job of a type makes. */
export const THING: Readonly<Record<JobType, string>> = {
  image: 'picture',
  video: 'video',
  text: 'answer',
  speech: 'recording',
  music: 'piece of music',
  transcription: 'transcript',
};

export const PLURAL: Readonly<Record<JobType, string>> = {
  image: 'pictures',
  video: 'videos',
  text: 'answers',
  speech: 'recordings',
  music: 'music',
  transcription: 'transcripts',
};

/** "1 token", "0.25 tokens". */
export function formatTokens(millitokens: number): string {
  const tokens = toTokens(Math.max(0, millitokens));
  return `${formatNumber(tokens)} ${tokens === 1 ? 'token' : 'tokens'}`;
}

/** At most two decimals, but never nothing for something. */
export function formatNumber(value: number): string {
  if (value > 0 && value < 0.01) return 'under 0.01';
  return String(Math.round(value * 100) / 100);
}

/** "a few seconds", "40 s", "3 min", "2 h", in the words of one who waits. */
export function formatSpan(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 5) return 'a few seconds';
  if (seconds < 90) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} days`;
}

/** "in 20 s to 50 s"; one figure where both are the same in words. */
export function formatRange(fromMs: number, toMs: number): string {
  const [from, to] = [formatSpan(fromMs), formatSpan(Math.max(fromMs, toMs))];
  if (from === to) return `in ${to}`;
  if (from === 'a few seconds') return `within ${to}`;
  return `in ${from} to ${to}`;
}

/** "12.4 s" for how long something took. */
export function formatTook(ms: number): string {
  return ms < 60_000 ? `${Math.round(ms / 100) / 10} s` : formatSpan(ms);
}

/** What was understood: the settings of a job, without its words. */
export function describeSpec(spec: JobSpec): string {
  const parts: string[] = [spec.model];
  switch (spec.type) {
    case 'image':
      parts.push(`${spec.width}x${spec.height}`, `${spec.steps} steps`);
      if (spec.count > 1) parts.push(`${spec.count} pictures`);
      if (spec.upscale > 1) parts.push(`${spec.upscale}x larger`);
      if (spec.input_image !== null) parts.push('from your picture');
      parts.push(`seed ${spec.seed}`);
      break;
    case 'video':
      parts.push(`${spec.width}x${spec.height}`, `${formatNumber(spec.duration_s)} s`);
      parts.push(`${spec.fps} fps`, `seed ${spec.seed}`);
      break;
    case 'text':
      parts.push(`up to ${spec.max_tokens} tokens of text`);
      break;
    case 'speech':
      parts.push(`voice ${spec.voice}`);
      if (spec.speed !== 1) parts.push(`speed ${spec.speed}`);
      break;
    case 'music':
      parts.push(`${formatNumber(spec.duration_s)} s`, `seed ${spec.seed}`);
      break;
    case 'transcription':
      if (spec.translate) parts.push('translated to English');
      break;
  }
  return parts.join(' · ');
}

/** The user's own words of a job, or null where there are none. */
export function wordsOf(spec: JobSpec): string | null {
  switch (spec.type) {
    case 'image':
    case 'video':
    case 'music':
      return spec.prompt;
    case 'text':
      return spec.prompt ?? spec.messages.findLast(({ role }) => role === 'user')?.content ?? null;
    case 'speech':
      return spec.input;
    case 'transcription':
      return null;
  }
}

/** The first characters of a text, whole ones. */
export function shorten(text: string, charsMax: number): string {
  if (text.length <= charsMax) return text;
  return `${text
    .slice(0, charsMax - 1)
    .toWellFormed()
    .replace(/\uFFFD$/, '')
    .trimEnd()}…`;
}

/** Ten boxes for a share of the work. */
export function drawBar(fraction: number): string {
  const full = Math.round(Math.min(1, Math.max(0, fraction)) * 10);
  return `${'▰'.repeat(full)}${'▱'.repeat(10 - full)}`;
}
