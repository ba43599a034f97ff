/**
 * Which of a reply's files a chat takes, and how: in the message itself, beside it, or only as a
 * link. Pure; the limits are the platforms' own.
 */
import {
  DISCORD_FILE_BYTES_MAX,
  DISCORD_UPLOAD_BYTES_MAX,
  TELEGRAM_FILE_BYTES_MAX,
  TELEGRAM_PHOTO_BYTES_MAX,
  TELEGRAM_PHOTO_RATIO_MAX,
  TELEGRAM_PHOTO_SIDES_MAX,
} from '#schema/limits.ts';
import type { Artifact } from '#schema/artifact.ts';
import type { ChatAddress } from '#schema/chat.ts';
import type { Media } from '../../chat/message.ts';
import type { Stage } from './slot.ts';

/** The files of a message: inside it, sent beside it, and those that only a link leads to. */
export interface MediaPlan {
  readonly inside: readonly Media[];
  readonly beside: readonly Media[];
  readonly links: readonly Media[];
}

/** Plans the files for a chat; `form` is what the platform has not refused yet. */
export function planMedia(
  media: readonly Media[],
  chat: ChatAddress,
  form: Stage['form'],
): MediaPlan {
  if (media.length === 0 || form === 'link') return { inside: [], beside: [], links: media };
  return chat.platform === 'telegram' ? planTelegram(media, form) : planDiscord(media, chat);
}

/** One file fits into a message; several make an album, which an edit cannot make. */
function planTelegram(media: readonly Media[], form: 'media' | 'document'): MediaPlan {
  const fits = media.filter(({ artifact }) => artifact.bytes <= TELEGRAM_FILE_BYTES_MAX);
  const links = media.filter((item) => !fits.includes(item));
  const shaped = fits.map((item) => ({
    ...item,
    as: form === 'media' ? shapeOf(item) : 'document',
  }));
  const first = shaped[0];
  if (shaped.length === 1 && first && first.as !== 'voice') {
    return { inside: [first], beside: [], links };
  }
  // An album holds pictures and videos, or files of one kind.
  const kinds = new Set(shaped.map(({ as }) => (as === 'video' ? 'picture' : as)));
  const beside = kinds.size === 1 ? shaped : shaped.map((item) => ({ ...item, as: 'document' }));
  return { inside: [], beside: beside as Media[], links } satisfies MediaPlan;
}

/** What Telegram shows it as; anything else it takes as a document. */
function shapeOf({ as, artifact }: Media): Media['as'] {
  const { contentType } = artifact;
  switch (as) {
    case 'picture':
      return isPhoto(artifact) ? 'picture' : 'document';
    case 'video':
      return contentType === 'video/mp4' ? 'video' : 'document';
    case 'voice':
      if (contentType === 'audio/ogg' || contentType === 'audio/mpeg') return 'voice';
      return 'document';
    case 'audio':
      return contentType === 'audio/mpeg' ? 'audio' : 'document';
    case 'document':
      return 'document';
  }
}

function isPhoto({ bytes, width, height }: Artifact): boolean {
  if (bytes > TELEGRAM_PHOTO_BYTES_MAX) return false;
  if (width === null || height === null) return true;
  const ratio = Math.max(width, height) / Math.min(width, height);
  return width + height <= TELEGRAM_PHOTO_SIDES_MAX && ratio <= TELEGRAM_PHOTO_RATIO_MAX;
}

function planDiscord(media: readonly Media[], chat: ChatAddress): MediaPlan {
  const bytesMax = chat.attachmentBytesMax ?? DISCORD_FILE_BYTES_MAX;
  const inside: Media[] = [];
  const links: Media[] = [];
  let total = 0;
  for (const item of media) {
    const { bytes } = item.artifact;
    const fits = bytes <= bytesMax && total + bytes <= DISCORD_UPLOAD_BYTES_MAX;
    if (fits) total += bytes;
    (fits ? inside : links).push(item);
  }
  return { inside, beside: [], links };
}
