/**
 * What can go wrong between this page and the API, and how it is told to a person: always a
 * sentence, a code and what to do. The API's own message is shown as it is, since it names
 * limits and values; the advice is ours where the reference's is meant for programmers.
 */
import { ERRORS } from '#schema/error.ts';
import type { ErrorCode } from '#schema/error.ts';

export type Problem =
  | {
      readonly reason: 'refused';
      readonly code: ErrorCode;
      readonly message: string;
      readonly status: number;
      readonly requestId: string | null;
      readonly retryAfterMs: number | null;
    }
  | { readonly reason: 'unreachable' }
  | { readonly reason: 'unreadable'; readonly status: number };

/** A problem in words: what happened, its code, what to do, and the id to quote. */
export interface ProblemText {
  readonly sentence: string;
  readonly code: string;
  readonly advice: string;
  readonly requestId: string | null;
}

const ADVICE: Partial<Record<ErrorCode, string>> = {
  unauthorized: 'Check that the whole key was pasted. A revoked key never works again.',
  forbidden: 'Use a key that is allowed to do this.',
  plan_required: 'Choose another model or a smaller size, or a key of a higher plan.',
  rate_limited: 'Wait a moment; the page slows down by itself.',
  tokens_exhausted: 'Choose a smaller size or fewer steps, or wait for 00:00 UTC.',
  too_many_jobs: 'Wait for one of your jobs to end, or cancel one.',
  queue_full: 'Try again in a minute.',
  no_agent: 'Choose a model that is marked as ready, or come back later.',
  idempotency_conflict: 'Submit once more; the page takes a new key for it.',
  internal: 'Try again. If it stays, send the request id to the operator.',
  media_expired: 'The link is renewed when you press Download again.',
  not_found: 'The job may have been deleted, or it belongs to another account.',
};

/** The words for a problem. */
export function describeProblem(problem: Problem): ProblemText {
  switch (problem.reason) {
    case 'refused':
      return describeError(problem);
    case 'unreachable':
      return {
        sentence: 'The service could not be reached.',
        code: 'unreachable',
        advice: 'Check your connection and try again; nothing is lost.',
        requestId: null,
      };
    case 'unreadable':
      return {
        sentence: `The service answered in a way this page does not understand (HTTP ${problem.status}).`,
        code: 'unreadable',
        advice: 'Reload the page: it may be older than the service.',
        requestId: null,
      };
  }
}

/** The words for an error code: of an answer, of a refusal in a quote, or of a failed job. */
export function describeError(error: {
  code: ErrorCode;
  message: string;
  requestId?: string | null;
}): ProblemText {
  return {
    sentence: toSentence(error.message),
    code: error.code,
    advice: ADVICE[error.code] ?? ERRORS[error.code].help,
    requestId: error.requestId ?? null,
  };
}

/** Whether the same request can never succeed, so that trying again is pointless. */
export function isFinal(problem: Problem): boolean {
  return (
    problem.reason === 'refused' &&
    (problem.status === 401 ||
      problem.status === 403 ||
      problem.status === 404 ||
      problem.status === 410)
  );
}

function toSentence(message: string): string {
  const text = message.trim();
  if (text === '') return 'No reason was given.';
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?…]$/.test(first) ? first : `${first}.`;
}
