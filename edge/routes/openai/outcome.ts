/** How the end of a waited-for job is told: as an error of the answer, or as the last event. */
import { ERRORS } from '#schema/error.ts';
import type { EndRefusal } from '../../services/openai/await-end.ts';
import type { OpenRefusal } from '../../services/openai/open-result.ts';
import { toFindWire } from '../error.ts';
import { Refused, toErrorAnswer } from '../wire.ts';
import type { Wire } from '../wire.ts';

export function toEndWire(refusal: EndRefusal): Wire {
  switch (refusal.reason) {
    case 'job_not_found':
    case 'history_unavailable':
      return toFindWire(refusal);
    case 'client_gone':
      return { code: 'job_cancelled' };
    case 'wait_over': {
      const { jobId, waitMs } = refusal;
      return {
        code: 'wait_timeout',
        message: `The job did not end within ${Math.round(waitMs / 1000)} s; it goes on as ${jobId}.`,
        details: { job_id: jobId },
        headers: { location: `/v1/jobs/${jobId}` },
      };
    }
    case 'job_unsuccessful': {
      const { id, status, error } = refusal.record;
      const details = { job_id: id };
      if (status === 'cancelled' || !error) return { code: 'job_cancelled', details };
      return { code: error.code, message: error.message, details };
    }
  }
}

export function toOpenWire({ jobId }: OpenRefusal): Wire {
  const message = 'The file is gone: results are kept for 30 days.';
  return { code: 'not_found', message, details: { job_id: jobId } };
}

/** The last event of a stream that fails, as the official clients understand it. */
export function toErrorFrame(wire: Wire, requestId: string): string {
  const { body } = toErrorAnswer(wire, requestId);
  return `event: error\ndata: ${JSON.stringify(body)}\n\n`;
}

/** The frames; a refusal among them becomes the last one. */
export async function* withRefusals(
  frames: AsyncIterable<string>,
  requestId: string,
): AsyncGenerator<string> {
  try {
    yield* frames;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    yield toErrorFrame(error.wire, requestId);
  }
}

/** What an error frame says of a fault of ours. */
export function lastWords(requestId: string): string {
  return toErrorFrame({ code: 'internal', message: ERRORS.internal.help }, requestId);
}

export const STREAM_HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-store, no-transform',
  // Proxies that buffer would hold events back.
  'x-accel-buffering': 'no',
} as const;
