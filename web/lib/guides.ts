/** The guides, in the order of the page. */
import type { Guide } from './guide.ts';
import { BATCHES } from './guides/batches.ts';
import { FIRST_PICTURE } from './guides/first-picture.ts';
import { LIMITS } from './guides/limits.ts';
import { RETRIES } from './guides/retries.ts';
import { STREAMING } from './guides/streaming.ts';
import { WEBHOOKS } from './guides/webhooks.ts';

export const GUIDES: readonly Guide[] = [
  FIRST_PICTURE,
  STREAMING,
  WEBHOOKS,
  BATCHES,
  RETRIES,
  LIMITS,
];
