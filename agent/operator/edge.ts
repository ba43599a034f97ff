/** The operator's questions to the edge: whether it is there, and whether it is one. */
import { fetch } from 'undici';
import { z } from 'zod';
import { DISPATCHER } from '../dispatcher.ts';
import { CALL_MS_MAX } from '../limits.ts';

/** What the edge says of itself, at least. */
const Health = z.object({ status: z.string(), version: z.string() });
/** A page may be endless. */
const ANSWER_CHARS_MAX = 100_000;

/** What an answer says, as far as it is looked at. */
export interface Answer {
  readonly status: number;
  readonly date: string;
  readonly text: string;
}

/** One answer of the edge, or why there is none. */
export async function call(url: URL, init: Parameters<typeof fetch>[1]): Promise<Answer | Error> {
  const signal = AbortSignal.timeout(CALL_MS_MAX);
  try {
    const { status, headers, body } = await fetch(url, {
      ...init,
      redirect: 'error',
      signal,
      dispatcher: DISPATCHER,
    });
    let text = '';
    for await (const part of body ?? []) {
      text += Buffer.from(part as Uint8Array).toString();
      if (text.length > ANSWER_CHARS_MAX) break;
    }
    return { status, date: headers.get('date') ?? '', text };
  } catch (error) {
    if (signal.aborted) return new Error(`no answer in ${CALL_MS_MAX / 1000} s`);
    const { cause } = error as Error;
    return cause instanceof Error ? cause : (error as Error);
  }
}

/** Whether it is what a Tessera says of itself. */
export function isTessera(text: string): boolean {
  try {
    return Health.safeParse(JSON.parse(text)).success;
  } catch {
    // A page.
    return false;
  }
}

/** Why jobs would not come from an address; null when it is a Tessera's. */
export async function faultOfEdge(url: URL): Promise<string | null> {
  const answer = await call(new URL('/health', url), {});
  if (answer instanceof Error) return `${url.origin} cannot be reached: ${answer.message}`;
  if (isTessera(answer.text)) return null;
  return `${url.origin} answers HTTP ${answer.status}, but not as a Tessera`;
}
