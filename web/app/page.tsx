/** The first page. */
import { ARTIFACT_KEEP_MS, ATTEMPTS_MAX, DAY_MS, MEDIA_URL_MS } from '#schema/limits.ts';
import { Home } from '../components/home.tsx';
import { PageFrame } from '../components/page-frame.tsx';
import { PlanSection } from '../components/plan-section.tsx';

const FACTS = [
  {
    title: 'One at a time, in turn',
    text: 'The card does one job at a time. Paying plans go first, then the order of arrival. A job that waits tells you its place and why.',
  },
  {
    title: 'Nothing gets lost',
    text: `An accepted job is on disk before you hear of it. If the card drops out, the job keeps its place and is tried again, up to ${ATTEMPTS_MAX} times in all.`,
  },
  {
    title: 'You pay for what was done',
    text: 'The highest price is held first and settled at the end. A failure costs nothing; a cancelled job costs only the steps it took.',
  },
  {
    title: 'Results are yours',
    text: `They are kept for ${ARTIFACT_KEEP_MS / DAY_MS} days behind signed links that expire after ${MEDIA_URL_MS / 60_000} minutes and can be renewed with your key.`,
  },
];

export default function Page() {
  return (
    <PageFrame>
      <Home />
      <PlanSection />
      <section aria-labelledby="rules-title" className="section">
        <h2 id="rules-title" className="section-title">
          How it treats your work
        </h2>
        <dl className="mt-8 grid gap-x-10 gap-y-8 sm:grid-cols-2">
          {FACTS.map((fact) => (
            <div key={fact.title}>
              <dt className="font-display text-lg font-semibold">{fact.title}</dt>
              <dd className="mt-1 text-muted">{fact.text}</dd>
            </div>
          ))}
        </dl>
      </section>
      <noscript>
        <p className="section">
          Without JavaScript this page cannot show the service’s state or make pictures. The API
          works all the same.
        </p>
      </noscript>
    </PageFrame>
  );
}
