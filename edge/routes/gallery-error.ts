/** What the gallery's refusals are on HTTP: exhaustive, no default. */
import type { PublishRefusal } from '../services/publish-job.ts';
import type { WithdrawRefusal } from '../services/withdraw-job.ts';
import { toAccessWire, toContentWire, toFindWire } from './error.ts';
import type { Wire } from './wire.ts';

export function toPublishWire(refusal: PublishRefusal): Wire {
  switch (refusal.reason) {
    case 'job_not_found':
    case 'history_unavailable':
      return toFindWire(refusal);
    case 'content_blocked':
    case 'moderation_unavailable':
      return toContentWire(refusal);
    case 'unauthorized':
    case 'key_expired':
    case 'account_blocked':
    case 'plan_required':
    case 'scope_required':
    case 'rate_limited':
      return toAccessWire(refusal);
    case 'not_publishable': {
      const { type, status } = refusal;
      return { code: 'not_publishable', details: { type, status } };
    }
    case 'removed_by_operator':
      return { code: 'removed_by_operator', details: { reason: refusal.why } };
  }
}

export function toWithdrawWire(refusal: WithdrawRefusal): Wire {
  switch (refusal.reason) {
    case 'not_in_gallery':
      return { code: 'not_found', message: 'The job is not in the gallery, or it is not yours.' };
    case 'history_unavailable':
      return { code: 'history_unavailable' };
  }
}
