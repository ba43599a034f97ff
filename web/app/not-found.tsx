/** Served for every path that does not exist. */
import type { Metadata } from 'next';
import { buttonClass } from '../components/button.tsx';
import { Mosaic } from '../components/mosaic.tsx';
import { PageFrame } from '../components/page-frame.tsx';

export const metadata: Metadata = { title: 'Not found' };

export default function NotFound() {
  return (
    <PageFrame>
      <section className="section grid items-center gap-10 md:grid-cols-2">
        <div>
          <p className="font-semibold text-muted">404</p>
          <h1 className="section-title mt-1">Nobody lives at this address</h1>
          <p className="mt-4 max-w-md">
            The page was moved, or the link has a mistake in it. Results of jobs are found with
            their job id, not by their old links.
          </p>
          <a href="/" className={`${buttonClass('primary')} mt-6`}>
            To the first page
          </a>
        </div>
        <Mosaic lit={false} />
      </section>
    </PageFrame>
  );
}
