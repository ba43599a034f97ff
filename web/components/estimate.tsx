/** When a waiting job should start, counted down. */
import type { StartEstimate } from '#schema/api.ts';
import { formatEstimate } from '../lib/format.ts';
import { useNow } from '../lib/use-now.ts';

export function Estimate({ estimate }: { estimate: StartEstimate }) {
  return <>{formatEstimate(estimate, useNow())}</>;
}
