/** What is left of the day's tokens, and what waiting jobs hold of it. */
import { PLANS } from '#schema/plan.ts';
import { formatAmount, formatTokens } from '../lib/format.ts';
import type { AccountHandle, Session } from '../lib/use-account.ts';

export function Balance({ session, handle }: { session: Session; handle: AccountHandle }) {
  const { balance, plan } = session.account;
  const held = balance.held > 0 ? ` · ${formatTokens(balance.held)} held by open jobs` : '';
  return (
    <div className="rounded-2xl bg-surface p-5 ring-1 ring-line" data-testid="balance">
      <div className="flex flex-wrap items-baseline justify-between gap-x-6 gap-y-1">
        <p role="status">
          <span className="font-display text-2xl font-semibold">
            {formatAmount(balance.available)}
          </span>{' '}
          <span className="text-muted">
            of {formatTokens(balance.limit)} left today · {PLANS[plan].title} plan
          </span>
        </p>
        <p className="flex gap-5">
          <button type="button" className="text-link min-h-8" onClick={handle.refresh}>
            Refresh
          </button>
          <button type="button" className="text-link min-h-8" onClick={handle.forget}>
            Forget the key
          </button>
        </p>
      </div>
      <progress
        className="bar bar-thin mt-3"
        aria-label="Tokens left today"
        max={balance.limit || 1}
        value={balance.available}
      />
      <p className="field-hint mt-2">
        Renews at {balance.renews_at.slice(11, 16)} UTC{held}
      </p>
    </div>
  );
}
