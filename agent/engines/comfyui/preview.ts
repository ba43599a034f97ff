/** Previews as the protocol takes them: not too often, and small enough for a heartbeat. */
import type { Preview } from '#schema/event.ts';
import { PREVIEW_BYTES_MAX } from '#schema/limits.ts';

const SIDE_PX = 384;
const QUALITY = 60;

export interface PreviewParts {
  readonly now: () => number;
  /** Least time between two. */
  readonly everyMs: number;
  readonly onPreview: (preview: Preview) => void;
}

/** Passes pictures on; what comes too early is left out, what is too large is made smaller. */
export class Previews {
  readonly #parts: PreviewParts;
  #lastAt = -Infinity;
  #shrinking = false;

  constructor(parts: PreviewParts) {
    this.#parts = parts;
  }

  async take(picture: {
    readonly contentType: Preview['content_type'];
    readonly bytes: Uint8Array;
  }): Promise<void> {
    const { now, everyMs, onPreview } = this.#parts;
    if (this.#shrinking || now() - this.#lastAt < everyMs) return;
    this.#lastAt = now();
    const { contentType, bytes } = picture;
    if (bytes.length <= PREVIEW_BYTES_MAX) {
      onPreview({ content_type: contentType, data: Buffer.from(bytes).toString('base64') });
      return;
    }
    this.#shrinking = true;
    try {
      const { default: sharp } = await import('sharp');
      const small = await sharp(bytes)
        .resize(SIDE_PX, SIDE_PX, { fit: 'inside', withoutEnlargement: true })
        .webp({ quality: QUALITY })
        .toBuffer();
      if (small.length > PREVIEW_BYTES_MAX) return;
      onPreview({ content_type: 'image/webp', data: small.toString('base64') });
    } catch {
      // A preview that cannot be read is no loss: another follows.
    } finally {
      this.#shrinking = false;
    }
  }
}
