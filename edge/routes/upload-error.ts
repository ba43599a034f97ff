/** Refusals of uploads by agents, as the wire says them. */
import { CONTENT_TYPES } from '#schema/artifact.ts';
import type { BeginRefusal } from '../services/begin-upload.ts';
import type { FinishRefusal } from '../services/finish-upload.ts';
import type { StoreRefusal } from '../services/store-artifact.ts';
import type { PartRefusal } from '../services/store-part.ts';
import { toFieldWire, toTicketWire } from './error.ts';
import type { Wire } from './wire.ts';

export function toStoreWire(refusal: StoreRefusal): Wire {
  switch (refusal.reason) {
    case 'bad_ticket':
      return toTicketWire();
    case 'artifact_too_large': {
      const { limit, value } = refusal;
      return { code: 'artifact_too_large', details: { field: 'content-length', limit, value } };
    }
    case 'not_a_picture': {
      const pictures = Object.keys(CONTENT_TYPES).filter((type) => type.startsWith('image/'));
      const message = `must be one of ${pictures.join(', ')} for a thumbnail`;
      return toFieldWire({ field: 'content-type', value: refusal.contentType, message });
    }
    case 'hash_mismatch':
      return { code: 'hash_mismatch' };
  }
}

/** Of an upload in parts. */
export function toPartWire(refusal: BeginRefusal | PartRefusal | FinishRefusal): Wire {
  switch (refusal.reason) {
    case 'upload_lost':
      return { code: 'upload_lost' };
    case 'storage_away':
      return { code: 'unavailable' };
    case 'bad_ticket':
    case 'artifact_too_large':
    case 'hash_mismatch':
      return toStoreWire(refusal);
  }
}
