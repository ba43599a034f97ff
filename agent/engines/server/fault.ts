/**
 * What a server's failure means for the job: one code, and whether another attempt may end
 * better. Judged by status and the server's own words; the words go into `detail`, which only
 * the operator's log shows. Pure.
 */
import { EngineError } from '../engine.ts';

const OUT_OF_MEMORY =
  /out of memory|can't allocate memory|failed to allocate|CUBLAS_STATUS_ALLOC_FAILED|bad_alloc/i;
const CONTEXT =
  /exceed_context_size|exceeds the available context|maximum context length|context.{0,20}(exceeded|too long|too small)/i;
const MODEL =
  /unsupported model|invalid_model|model.{0,80}(not found|does not exist|not exist|not installed|not loaded)/i;
const BUSY_STATUS: readonly number[] = [408, 425, 429, 502, 503, 504];
/** Of a server's words; the log's field holds no more. */
const DETAIL_CHARS_MAX = 900;

/** Whether a refusal says that the conversation is longer than the model reads. */
export function isContextFault(words: string): boolean {
  return CONTEXT.test(words);
}

/** A server that cannot be reached, or that went away; it may come back. */
export function away(detail: string): EngineError {
  return new EngineError({ code: 'engine_unavailable', retryable: true, detail: cut(detail) });
}

/** It answered, but made nothing of use; it may do better next time. */
export function failed(detail: string): EngineError {
  return new EngineError({ code: 'job_failed', retryable: true, detail: cut(detail) });
}

/** It will never do this, here or elsewhere. */
export function refused(detail: string): EngineError {
  return new EngineError({ code: 'engine_rejected', retryable: false, detail: cut(detail) });
}

/** The model is not there, or could not be loaded; another box may have it. */
export function lacking(detail: string): EngineError {
  return new EngineError({ code: 'model_unavailable', retryable: true, detail: cut(detail) });
}

/** The error of an answer that is no success; status 0: an error told inside a stream. */
export function faultOf(status: number, words: string): EngineError {
  const detail = `${status === 0 ? 'in the stream' : status}: ${words}`;
  if (OUT_OF_MEMORY.test(words)) {
    return new EngineError({
      code: 'engine_out_of_memory',
      retryable: true,
      detail: cut(detail),
    });
  }
  // A key that is wrong here may be right on another box.
  if (status === 401 || status === 403 || BUSY_STATUS.includes(status)) return away(detail);
  if (isContextFault(words)) return refused(detail);
  if (status === 404 || MODEL.test(words)) return lacking(detail);
  return status >= 400 && status < 500 ? refused(detail) : failed(detail);
}

function cut(detail: string): string {
  return detail.slice(0, DETAIL_CHARS_MAX).toWellFormed();
}
