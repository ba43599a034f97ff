/** `/docs`: every call with its parameters, answers and errors, to be tried at once. */
import type { Metadata } from 'next';
import { PageFrame } from '../../components/page-frame.tsx';
import { Reference } from '../../components/reference.tsx';
import { GUIDES } from '../../lib/guides.ts';
import './reference.css';

export const metadata: Metadata = {
  title: 'API reference',
  description: 'Every call of the Tessera API with its parameters, answers and errors.',
};

export default function DocsPage() {
  return (
    <PageFrame>
      <div className="mx-auto w-full max-w-304 px-5 pt-10">
        <h1 className="font-display text-4xl font-bold tracking-tight sm:text-5xl">
          API reference
        </h1>
        <p className="mt-4 max-w-180 text-lg text-muted">
          Press Authorize to enter a key, open a call and run it from here: what you try is real and
          costs tokens. The key stays in this tab. The same description, for your tools, is at{' '}
          <a className="text-link" href="/openapi.json">
            /openapi.json
          </a>
          .
        </p>
        <nav aria-label="Guides" className="mt-6 flex flex-wrap items-center gap-x-6 gap-y-1">
          <a
            className="text-link inline-flex min-h-11 items-center font-semibold"
            href="/docs/guides"
          >
            Guides
          </a>
          {GUIDES.map(({ id, title }) => (
            <a
              key={id}
              className="text-link inline-flex min-h-11 items-center"
              href={`/docs/guides#${id}`}
            >
              {title}
            </a>
          ))}
        </nav>
        <Reference />
      </div>
    </PageFrame>
  );
}
