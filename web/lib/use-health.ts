/** How the service stands, asked again every half minute while the page is visible. */
import { useEffect, useState } from 'react';
import type { HealthView } from '#schema/api.ts';
import { readHealth } from './api.ts';
import type { Answer } from './client.ts';

const EVERY_MS = 30_000;

/** The newest answer, or null before the first. */
export function useHealth(): Answer<HealthView> | null {
  const [health, setHealth] = useState<Answer<HealthView> | null>(null);
  useEffect(() => {
    const stop = new AbortController();
    const ask = () => {
      if (document.visibilityState === 'hidden') return;
      readHealth(stop.signal).then(setHealth, () => undefined);
    };
    ask();
    const timer = setInterval(ask, EVERY_MS);
    document.addEventListener('visibilitychange', ask);
    return () => {
      stop.abort();
      clearInterval(timer);
      document.removeEventListener('visibilitychange', ask);
    };
  }, []);
  return health;
}
