/** What a failed call or upload means for the agent. */
import { ERRORS } from '#schema/error.ts';
import type { UploadFailure } from './state.ts';

export type Verdict = 'lost' | 'unregistered' | 'unauthorized' | 'permanent' | 'transient';

/** What a failed call means; the only place that decides whether it is worth repeating. */
export function judge(failure: UploadFailure): Verdict {
  if (failure.reason === 'unreadable') return 'permanent';
  if (failure.reason !== 'refused') return 'transient';
  switch (failure.code) {
    case 'lease_lost':
      return 'lost';
    case 'not_registered':
      return 'unregistered';
    case 'unauthorized':
      return 'unauthorized';
    // The bytes were damaged on their way.
    case 'hash_mismatch':
      return 'transient';
    default: {
      const { status } = ERRORS[failure.code];
      return status >= 500 || status === 429 ? 'transient' : 'permanent';
    }
  }
}
