/** An input file as the API shows it, at a URL signed anew. */
import type { FileView } from '#schema/file.ts';
import { purposeOf } from '#schema/file.ts';
import { signMedia } from '../io/token.ts';
import { inputKey } from './store-file.ts';
import type { StoredFile } from './store-file.ts';
import type { ViewContext } from './view-job.ts';

/** The view for its owner. */
export async function viewFile(
  file: StoredFile,
  accountId: string,
  { signingKey, origin, now }: ViewContext,
): Promise<FileView> {
  const signed = await signMedia(signingKey, inputKey(file.id, accountId), now);
  return {
    id: file.id,
    purpose: purposeOf(file.contentType),
    name: file.name,
    content_type: file.contentType,
    bytes: file.bytes,
    sha256: file.sha256,
    width: file.width,
    height: file.height,
    duration_s: file.durationS,
    url: `${origin}${signed.path}`,
    url_expires_at: new Date(Math.min(signed.expiresAt, file.expiresAt)).toISOString(),
    created_at: new Date(file.createdAt).toISOString(),
    expires_at: new Date(file.expiresAt).toISOString(),
  };
}
