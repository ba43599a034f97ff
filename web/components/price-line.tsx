/** The price before anything is submitted, and whether the job would be taken. */
import type { AccountView } from '#schema/api.ts';
import { formatAmount, formatTokens } from '../lib/format.ts';
import { describeError, describeProblem } from '../lib/problem.ts';
import { quoteOf } from '../lib/use-quote.ts';
import type { Quote } from '../lib/use-quote.ts';
import { Estimate } from './estimate.tsx';
import { ProblemNote } from './problem-note.tsx';

export function PriceLine({ quote, account }: { quote: Quote; account: AccountView }) {
  const known = quoteOf(quote);
  if (quote.state === 'answered' && !quote.answer.ok) {
    return <ProblemNote role="status" text={describeProblem(quote.answer.problem)} />;
  }
  return (
    <div role="status" data-testid="price" aria-busy={quote.state === 'asking'}>
      {known ? (
        <p>
          <span className="text-muted">Price: </span>
          <strong className="text-lg font-semibold">{formatTokens(known.cost.held)}</strong>
          <span className="text-muted">
            ; you have {formatAmount(account.balance.available)} left.{' '}
            {known.queue?.estimate ? <Estimate estimate={known.queue.estimate} /> : null}
          </span>
        </p>
      ) : (
        <p className="text-muted">
          {quote.state === 'asking'
            ? 'Asking for the price…'
            : 'Describe the picture to see its price.'}
        </p>
      )}
      {known?.refusal && quote.state === 'answered' ? (
        <div className="mt-3">
          <ProblemNote role="status" text={describeError(known.refusal)} />
        </div>
      ) : null}
    </div>
  );
}
