/** Where a picture is made: the key, then the form beside the job. */
import { useEffect, useRef, useState } from 'react';
import type { ModelView } from '#schema/api.ts';
import type { AccountHandle, Session } from '../lib/use-account.ts';
import { useJob } from '../lib/use-job.ts';
import { quoteOf, useQuote } from '../lib/use-quote.ts';
import { Balance } from './balance.tsx';
import { Button } from './button.tsx';
import { ImageForm, startDraft, toRequest } from './image-form.tsx';
import { JobPanel } from './job-panel.tsx';
import { KeyForm } from './key-form.tsx';
import { PriceLine } from './price-line.tsx';

/** The settlement reaches the account a moment after the job's end. */
const SETTLED_AFTER_MS = 2000;

export function Studio({
  handle,
  models,
}: {
  handle: AccountHandle;
  models: readonly ModelView[] | null;
}) {
  const { session } = handle;
  return (
    <section aria-labelledby="studio-title" id="studio" className="section">
      <h2 id="studio-title" className="section-title">
        Make a picture
      </h2>
      <div className="mt-6">
        {!session ? <KeyForm handle={handle} /> : null}
        {session && !models ? <p className="text-muted">Asking which models are there…</p> : null}
        {session && models ? (
          <Workbench
            key={session.account.id}
            handle={handle}
            session={session}
            models={models.filter((model) => model.type === 'image')}
          />
        ) : null}
      </div>
    </section>
  );
}

function Workbench(props: {
  handle: AccountHandle;
  session: Session;
  models: readonly ModelView[];
}) {
  const { handle, session, models } = props;
  const { refresh } = handle;
  const [draft, setDraft] = useState(() => startDraft(models, session.account));
  const job = useJob(session.key, refresh);
  const request = toRequest(draft);
  const available = session.account.balance.available;
  const quote = useQuote(session.key, request, available);
  const isBusy = job.phase === 'submitting' || job.phase === 'following';
  const isRefused = quote.state === 'answered' && quoteOf(quote)?.accepted === false;

  useEffect(() => {
    if (job.phase !== 'ended') return undefined;
    const timer = setTimeout(refresh, SETTLED_AFTER_MS);
    return () => clearTimeout(timer);
  }, [job.phase, refresh]);

  const panel = useRef<HTMLDivElement>(null);
  function onSubmit() {
    if (!request || isBusy || isRefused) return;
    job.submit(request);
    // On a phone the job is below the form.
    panel.current?.scrollIntoView({ block: 'nearest' });
  }

  return (
    <div className="space-y-6">
      <Balance session={session} handle={handle} />
      <div className="grid items-start gap-6 lg:grid-cols-[minmax(0,1fr)_minmax(0,28rem)]">
        <div className="rounded-2xl bg-surface p-5 ring-1 ring-line sm:p-7">
          <ImageForm
            draft={draft}
            onDraft={setDraft}
            models={models}
            account={session.account}
            onSubmit={onSubmit}
          >
            <div className="space-y-4 border-t border-line pt-5">
              <PriceLine quote={quote} account={session.account} />
              <Button type="submit" className="w-full sm:w-auto" disabled={isBusy || isRefused}>
                {isBusy ? 'One picture is under way' : 'Make the picture'}
              </Button>
            </div>
          </ImageForm>
        </div>
        <div
          ref={panel}
          className="scroll-mt-4 rounded-2xl bg-surface p-5 ring-1 ring-line sm:p-7 lg:sticky lg:top-6"
        >
          <JobPanel
            handle={job}
            apiKey={session.key}
            onSeed={(seed) => setDraft((now) => ({ ...now, seed: String(seed) }))}
          />
        </div>
      </div>
    </div>
  );
}
