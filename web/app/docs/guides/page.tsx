/** `/docs/guides`: the first steps with the API, each with curl, JavaScript and Python. */
import type { Metadata } from 'next';
import { CodeTabs } from '../../../components/code-tabs.tsx';
import { PageFrame } from '../../../components/page-frame.tsx';
import { Prose } from '../../../components/prose.tsx';
import { GUIDES } from '../../../lib/guides.ts';

export const metadata: Metadata = {
  title: 'API guides',
  description: 'First picture, streaming text, webhooks, batches, retries and limits.',
};

export default function GuidesPage() {
  return (
    <PageFrame>
      <div className="mx-auto w-full max-w-304 px-5 pt-10 lg:grid lg:grid-cols-[14rem_minmax(0,1fr)] lg:gap-12">
        <nav aria-label="On this page" className="mb-8 lg:sticky lg:top-6 lg:self-start">
          <ul className="flex flex-wrap gap-x-6 lg:flex-col">
            {GUIDES.map(({ id, title }) => (
              <li key={id}>
                <a
                  className="inline-flex min-h-11 items-center font-medium underline-offset-4 hover:underline"
                  href={`#${id}`}
                >
                  {title}
                </a>
              </li>
            ))}
            <li>
              <a className="text-link inline-flex min-h-11 items-center" href="/docs">
                API reference
              </a>
            </li>
          </ul>
        </nav>
        <div className="min-w-0">
          <h1 className="font-display text-4xl font-bold tracking-tight sm:text-5xl">API guides</h1>
          <p className="mt-4 max-w-180 text-lg text-muted">
            Set <code>TESSERA_URL</code> to the address of this site and <code>TESSERA_KEY</code> to
            an API key, <code>tsr_…</code>. The JavaScript runs in Node 20 or newer, the Python in
            3.9 or newer with <code>requests</code>; neither needs a library of ours.
          </p>
          {GUIDES.map((guide) => (
            <section key={guide.id} id={guide.id} className="mt-14 scroll-mt-6">
              <h2 className="font-display text-2xl font-bold tracking-tight">{guide.title}</h2>
              {guide.text.map((paragraph) => (
                <Prose key={paragraph} text={paragraph} className="mt-3 max-w-180" />
              ))}
              <CodeTabs title={guide.title} code={guide.code} />
            </section>
          ))}
        </div>
      </div>
    </PageFrame>
  );
}
