/** Pictures that users show to everybody, asked for again before their signed links expire. */
import { useEffect, useState } from 'react';
import type { GalleryEntry } from '#schema/gallery.ts';
import { MEDIA_URL_MS } from '#schema/limits.ts';
import { readGallery } from './api.ts';

/** The newest first; none while there are none, or nobody can tell. */
export function useGallery(): readonly GalleryEntry[] {
  const [entries, setEntries] = useState<readonly GalleryEntry[]>([]);
  useEffect(() => {
    const stop = new AbortController();
    const ask = () => {
      readGallery(stop.signal).then(
        (answer) => (answer.ok ? setEntries(answer.value.data) : undefined),
        () => undefined,
      );
    };
    ask();
    const timer = setInterval(ask, MEDIA_URL_MS / 2);
    return () => {
      stop.abort();
      clearInterval(timer);
    };
  }, []);
  return entries;
}
