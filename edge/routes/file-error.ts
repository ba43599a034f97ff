/** What each refusal of an input file is on HTTP: one exhaustive map per union, no default. */
import type { CopyRefusal } from '../services/copy-result.ts';
import type { FileRefusal } from '../services/inspect-file.ts';
import type { FormRefusal } from '../services/parse-form.ts';
import type { ReceiveRefusal } from '../services/receive-file.ts';
import { toFieldWire, toFindWire } from './error.ts';
import type { Wire } from './wire.ts';

export function toFileWire(refusal: FileRefusal): Wire {
  switch (refusal.reason) {
    case 'file_too_large': {
      const { limit, value } = refusal;
      return {
        code: 'file_too_large',
        message: `The file has ${value} bytes, over the limit of ${limit}; make it smaller.`,
        details: { limit, value },
      };
    }
    case 'too_many_files': {
      const { unit, limit, retryAfterMs } = refusal;
      return {
        code: 'too_many_files',
        message: `The account keeps files up to ${limit} ${unit}; delete some, or wait.`,
        details: { unit, limit },
        retryAfterMs,
      };
    }
    case 'unsupported_file': {
      const { accepts } = refusal;
      return {
        code: 'unsupported_file',
        message: `The content of the file is none of ${accepts.join(', ')}; convert it.`,
        details: { accepts },
      };
    }
    case 'file_unreadable': {
      const message = {
        size: 'The picture is damaged: its size cannot be told; save it anew.',
        length: 'The recording does not tell its length, or is damaged; convert it to WAV or MP3.',
      }[refusal.what];
      return { code: 'file_unreadable', message };
    }
    case 'file_out_of_bounds': {
      const { field, bound, limit, value } = refusal;
      return {
        code: 'file_out_of_bounds',
        message: `The file's ${field} must be ${bound} ${limit}; it is ${value}.`,
        details: { field, limit, value },
      };
    }
  }
}

export function toFormWire(refusal: FormRefusal): Wire {
  switch (refusal.reason) {
    case 'form_unreadable': {
      const message = 'The body is not a form, or is cut short; send multipart/form-data.';
      return { code: 'invalid_request', message };
    }
    case 'form_too_large':
      return { code: 'body_too_large', details: { limit: refusal.limit } };
  }
}

export function toReceiveWire(refusal: ReceiveRefusal): Wire {
  if (refusal.reason !== 'body_cut_short') return toFileWire(refusal);
  return {
    code: 'file_unreadable',
    message: 'The body is not as long as `content-length` says; send it again.',
  };
}

export function toCopyWire(refusal: CopyRefusal): Wire {
  switch (refusal.reason) {
    case 'job_not_found':
    case 'history_unavailable':
      return toFindWire(refusal);
    case 'no_such_result': {
      const { index, results } = refusal;
      const message =
        results === 0 ? 'names no result: the job has none' : 'names no result of the job';
      return toFieldWire({ field: 'index', value: index, message });
    }
    case 'body_cut_short':
    case 'file_too_large':
    case 'too_many_files':
    case 'unsupported_file':
    case 'file_unreadable':
    case 'file_out_of_bounds':
      return toReceiveWire(refusal);
  }
}
