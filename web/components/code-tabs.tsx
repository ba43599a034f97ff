'use client';
/** One example in three languages; the language that is chosen is chosen for all on the page. */
import { useId, useSyncExternalStore } from 'react';
import { LANGUAGES } from '../lib/guide.ts';
import type { Language } from '../lib/guide.ts';

const NAMES: Readonly<Record<Language, string>> = {
  curl: 'curl',
  javascript: 'JavaScript',
  python: 'Python',
};

let chosen: Language = 'curl';
const listeners = new Set<() => void>();

function choose(language: Language): void {
  chosen = language;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function CodeTabs({
  title,
  code,
}: {
  title: string;
  code: Readonly<Record<Language, string>>;
}) {
  const language = useSyncExternalStore<Language>(
    subscribe,
    () => chosen,
    () => 'curl',
  );
  const id = useId();
  return (
    <div className="mt-5 overflow-hidden rounded-2xl bg-surface ring-1 ring-line">
      <div
        role="tablist"
        aria-label={`Language of the example: ${title}`}
        className="flex border-b border-line px-2"
      >
        {LANGUAGES.map((one) => (
          <button
            key={one}
            type="button"
            role="tab"
            id={`${id}-${one}`}
            aria-selected={one === language}
            aria-controls={`${id}-code`}
            onClick={() => choose(one)}
            className="min-h-11 px-3 font-medium text-muted aria-selected:text-ink aria-selected:shadow-[inset_0_-2px_0_var(--c-accent)]"
          >
            {NAMES[one]}
          </button>
        ))}
      </div>
      <pre
        role="tabpanel"
        id={`${id}-code`}
        aria-labelledby={`${id}-${language}`}
        // It scrolls, so the keyboard must reach it.
        tabIndex={0}
        className="overflow-x-auto p-4 text-sm leading-relaxed"
      >
        <code>{code[language]}</code>
      </pre>
    </div>
  );
}
