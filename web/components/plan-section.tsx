/** The plans, from the contract itself. Nothing is sold here yet, and the page says so. */
import { modelsOf } from '#schema/model.ts';
import { PLANS, planIncludes } from '#schema/plan.ts';
import type { Plan } from '#schema/plan.ts';
import { formatPrice } from '../lib/format.ts';

const SHOWN = [PLANS.free, PLANS.starter, PLANS.pro];
const TURN: Readonly<Record<string, string>> = {
  free: 'after the paying plans',
  starter: 'before Free',
  pro: 'first',
};

export function PlanSection() {
  return (
    <section aria-labelledby="plans-title" id="plans" className="section">
      <h2 id="plans-title" className="section-title">
        Plans
      </h2>
      <p className="mt-2 max-w-2xl text-muted">
        Everything is priced in tokens: one token is one picture of 1024 × 1024. Smaller or quicker
        work costs less, failed work nothing. The day’s tokens renew at 00:00 UTC.
      </p>
      <ul className="mt-8 grid gap-4 md:grid-cols-3" data-testid="plans">
        {SHOWN.map((plan) => (
          <PlanCard key={plan.id} plan={plan} />
        ))}
      </ul>
      <p className="mt-4 text-sm text-muted">
        Plans cannot be bought here yet; for now the operator hands out keys.
      </p>
    </section>
  );
}

function PlanCard({ plan }: { plan: Plan }) {
  const rows = [
    ['Tokens a day', `${plan.dailyMillitokens / 1000}`],
    ['Largest picture', `${plan.sidePxMax} × ${plan.sidePxMax}`],
    ['Picture models', countModels(plan, 'image')],
    ['Video', countModels(plan, 'video') === 'none' ? 'no' : 'yes'],
    ['Jobs at once', `${plan.jobsOpenMax}`],
    ['API', plan.api ? `${plan.requestsPerMinute} requests a minute` : 'no'],
    ['Turn in the queue', TURN[plan.id] ?? ''],
  ];
  return (
    <li className="rounded-2xl bg-surface p-6 ring-1 ring-line">
      <h3 className="text-lg font-semibold">{plan.title}</h3>
      <p className="mt-1 flex items-baseline gap-2">
        <span className="font-display text-4xl font-semibold">{formatPrice(plan.priceCents)}</span>
        <span className="text-muted">{plan.priceCents === 0 ? 'always' : 'a month'}</span>
      </p>
      <dl className="mt-5 space-y-2 border-t border-line pt-4">
        {rows.map(([term, value]) => (
          <div key={term} className="flex items-baseline justify-between gap-4">
            <dt className="text-muted">{term}</dt>
            <dd className="text-right font-medium">{value}</dd>
          </div>
        ))}
      </dl>
    </li>
  );
}

function countModels(plan: Plan, type: 'image' | 'video'): string {
  const all = modelsOf(type);
  const open = all.filter((model) => planIncludes(plan.id, model.plan));
  if (open.length === 0) return 'none';
  return open.length === all.length ? 'all' : `${open.length} of ${all.length}`;
}
