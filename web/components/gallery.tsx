/** What others have made and chose to show; no section at all while there is nothing. */
import type { GalleryEntry } from '#schema/gallery.ts';
import { findModel } from '#schema/model.ts';
import { useGallery } from '../lib/use-gallery.ts';

export function Gallery() {
  const entries = useGallery();
  if (entries.length === 0) return null;
  return (
    <section aria-labelledby="gallery-title" id="gallery" className="section">
      <h2 id="gallery-title" className="section-title">
        Made here
      </h2>
      <p className="mt-2 max-w-2xl text-muted">
        Pictures that their makers chose to show, the newest first.
      </p>
      <ul className="mt-8 grid grid-cols-2 gap-x-4 gap-y-6 lg:grid-cols-4" data-testid="gallery">
        {entries.map((entry) => (
          <Picture key={entry.job_id} entry={entry} />
        ))}
      </ul>
    </section>
  );
}

function Picture({ entry }: { entry: GalleryEntry }) {
  const [artifact] = entry.artifacts;
  if (!artifact) return null;
  const model = findModel(entry.model)?.title ?? entry.model;
  return (
    <li>
      <a href={artifact.url} target="_blank" rel="noopener" className="group block">
        <img
          className="aspect-square w-full rounded-xl bg-sunken object-cover ring-1 ring-line"
          src={artifact.thumbnail_url ?? artifact.url}
          loading="lazy"
          decoding="async"
          alt={entry.prompt ?? `A picture by ${model}`}
        />
        {entry.prompt === null ? null : (
          <p className="mt-2 line-clamp-2 text-sm underline-offset-4 group-hover:underline">
            {entry.prompt}
          </p>
        )}
      </a>
      <p className="mt-1 text-sm text-muted">{model}</p>
    </li>
  );
}
