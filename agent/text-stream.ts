/**
 * Sends generated text on while it is being made: in batches, in order, one request at a time,
 * each naming the offset at which its text begins, so that a repeat is recognised. An edge that
 * lacks what was before is sent the text from its start. Best effort:
 * the result file holds the whole text, so a stream that cannot be sent is given up, not retried
 * for ever. A refused lease is told to the session.
 */
import { BACKOFF_MS_MIN } from '#schema/limits.ts';
import type { Clock } from './clock.ts';
import type { EdgeClient } from './edge-client.ts';
import { TEXT_BATCH_MS, TEXT_CHARS_MAX, TEXT_FLUSH_MS_MAX } from './limits.ts';
import type { CallFailure, Grant } from './session/state.ts';
import { judge } from './session/verdict.ts';

export interface TextStream {
  push(text: string): void;
  /** Sends the rest; resolves when it is sent, given up or out of time. */
  finish(): Promise<void>;
}

export function createTextStream(parts: {
  readonly edge: Pick<EdgeClient, 'stream'>;
  readonly grant: Grant;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly onLost: () => void;
}): TextStream {
  const { edge, grant, clock, signal } = parts;
  let text = '';
  /** How much of it the edge has. */
  let offset = 0;
  let givenUp = false;
  let finishing = false;
  let sender: Promise<void> | null = null;
  let wake: (() => void) | null = null;

  const pause = (ms: number) =>
    new Promise<void>((resolve) => {
      const cancel = clock.after(ms, resolve);
      wake = () => {
        cancel();
        resolve();
      };
    });

  async function sendAll(): Promise<void> {
    while (offset < text.length && !givenUp && !signal.aborted) {
      const { length } = text;
      const { jobId, fencingToken, uploadTicket } = grant;
      const piece = { jobId, fencingToken, uploadTicket, offset, text: text.slice(offset) };
      const result = await edge.stream(piece, signal);
      if (result.ok && result.value.appended) {
        offset = length;
        if (!finishing) await pause(TEXT_BATCH_MS);
      } else if (result.ok) {
        givenUp = offset === 0;
        offset = 0;
      } else {
        await onFailure(result.failure);
      }
    }
    sender = null;
  }

  async function onFailure(failure: CallFailure): Promise<void> {
    const verdict = judge(failure);
    if (verdict === 'lost') parts.onLost();
    givenUp = verdict !== 'transient';
    if (!givenUp) await pause(Math.max(BACKOFF_MS_MIN, failure.retryAfterMs ?? 0));
  }

  return {
    push(piece) {
      if (givenUp || text.length + piece.length > TEXT_CHARS_MAX) return;
      text += piece;
      sender ??= sendAll();
    },
    async finish() {
      finishing = true;
      wake?.();
      if (!sender) return;
      let cancel = () => {};
      const late = new Promise<void>((resolve) => {
        cancel = clock.after(TEXT_FLUSH_MS_MAX, resolve);
      });
      await Promise.race([sender, late]);
      cancel();
      givenUp = true;
    },
  };
}
