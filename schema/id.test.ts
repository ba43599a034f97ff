import { expect, it } from 'vitest';
import {
  AgentToken,
  ApiKey,
  JobId,
  formatAgentToken,
  formatApiKey,
  parseAgentToken,
  parseApiKey,
  poolOfJob,
} from './id.ts';

const ULID = '01k9zabcdefghjkmnpqrstvwxy';
const SECRET = 'A'.repeat(43);

it('names the pool in a job id', () => {
  expect(poolOfJob(`job_${ULID}_main`)).toBe('main');
  expect(JobId.safeParse(`job_${ULID}_main`).success).toBe(true);
});

it.each([
  '',
  'job_x_main',
  `job_${ULID}_`,
  `job_${ULID}_Main`,
  `job_${ULID}_main/..`,
  `JOB_${ULID}_main`,
  `job_${ULID}_main\n`,
])('refuses the job id %j', (id) => {
  expect(poolOfJob(id)).toBeNull();
  expect(JobId.safeParse(id).success).toBe(false);
});

it('finds the account in an API key and the pool in an agent token', () => {
  const key = formatApiKey(`acc_${ULID}`, SECRET);
  expect(ApiKey.safeParse(key).success).toBe(true);
  expect(parseApiKey(key)).toEqual({ accountId: `acc_${ULID}`, secret: SECRET });
  const token = formatAgentToken('main', `agt_${ULID}`, SECRET);
  expect(AgentToken.safeParse(token).success).toBe(true);
  expect(parseAgentToken(token)).toEqual({ pool: 'main', agentId: `agt_${ULID}`, secret: SECRET });
});

it.each(['', 'tsr_', `tsr_${ULID}_short`, `tsa_main_${ULID}_${SECRET}`, `tsr_${ULID}_${SECRET}x`])(
  'refuses the API key %j',
  (key) => {
    expect(parseApiKey(key)).toBeNull();
  },
);
