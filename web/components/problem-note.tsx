/** A problem told to a person: the sentence, what to do, the code and the id to quote. */
import type { ReactNode } from 'react';
import type { ProblemText } from '../lib/problem.ts';

export function ProblemNote({
  text,
  role = 'alert',
  children,
}: {
  text: ProblemText;
  /** `alert` interrupts a screen reader; `status` waits its turn. */
  role?: 'alert' | 'status';
  children?: ReactNode;
}) {
  return (
    <div role={role} className="rounded-xl bg-bad-wash p-4 text-ink ring-1 ring-bad/40">
      <p className="font-semibold">{text.sentence}</p>
      <p className="mt-1">{text.advice}</p>
      <p className="mt-2 text-sm text-muted">
        Code <code className="text-ink">{text.code}</code>
        {text.requestId ? (
          <>
            {' '}
            · request <code className="break-all text-ink">{text.requestId}</code>
          </>
        ) : null}
      </p>
      {children ? <div className="mt-3">{children}</div> : null}
    </div>
  );
}
