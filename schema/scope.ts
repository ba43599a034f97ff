/** Scopes: what an API key may do. A key that lists none may do everything. */
import { z } from 'zod';

export const SCOPES = {
  'jobs:read': 'Look at jobs, their events and results, and at files.',
  'jobs:write': 'Submit, cancel and delete jobs; upload files; publish results.',
  'account:read': 'Look at the plan, the balance and the usage.',
  'keys:write': 'List, make, rotate and revoke API keys.',
  'webhooks:write': 'List, make and delete webhook endpoints; look at and repeat deliveries.',
} as const;
export const Scope = z
  .enum(Object.keys(SCOPES) as [keyof typeof SCOPES, ...(keyof typeof SCOPES)[]])
  .meta({ id: 'Scope' });
export type Scope = z.infer<typeof Scope>;
