/** The models and where they are, asked again when the key or the number of GPUs changes. */
import { useEffect, useState } from 'react';
import type { ModelList } from '#schema/api.ts';
import { readModels } from './api.ts';
import type { Answer } from './client.ts';

/** The newest answer, or null before the first. */
export function useModels(
  key: string | null,
  agentsOnline: number | null,
): Answer<ModelList> | null {
  const [models, setModels] = useState<Answer<ModelList> | null>(null);
  useEffect(() => {
    const stop = new AbortController();
    readModels(key, stop.signal).then(setModels, () => undefined);
    return () => stop.abort();
  }, [key, agentsOnline]);
  return models;
}
