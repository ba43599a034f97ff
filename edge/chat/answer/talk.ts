/** An event of somebody who has an account, as it is answered. */
import type { Result } from '../../core/result.ts';
import { ok } from '../../core/result.ts';
import type { AccessRefusal, AccountState } from '../../rpc/account.ts';
import type { Credential } from '../../services/authenticate.ts';
import { readBalance } from '../../services/read-balance.ts';
import type { Balance } from '../reply.ts';
import { Speech } from './speech.ts';

export class Talk extends Speech {
  readonly credential: Credential;
  readonly isNew: boolean;
  /** The idempotency key of a job that is made of this event. */
  orderKey: string;
  /** The job that was made of it. */
  jobId: string | null = null;

  constructor(given: ConstructorParameters<typeof Speech>[0] & Pick<Talk, 'credential' | 'isNew'>) {
    super(given);
    this.credential = given.credential;
    this.isNew = given.isNew;
    this.orderKey = given.event.id;
  }

  /** The account as it stands, or why it may not even ask. */
  async balance(): Promise<Result<Balance, AccessRefusal>> {
    const state = await readBalance(this.env, this.credential);
    return state.ok ? ok(toBalance(state.value, this.now)) : state;
  }
}

function toBalance(account: AccountState, now: number): Balance {
  const { plan, limitMillitokens, spentMillitokens, heldMillitokens } = account;
  return {
    plan,
    limitMillitokens,
    availableMillitokens: Math.max(0, limitMillitokens - spentMillitokens - heldMillitokens),
    renewsInMs: account.renewsAt - now,
    jobsOpen: account.jobsOpen,
  };
}
