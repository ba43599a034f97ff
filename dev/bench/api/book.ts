/**
 * What must hold of a crowd's jobs, held against four witnesses that know nothing of each other:
 * what the clients were told, what the agents had acknowledged, the history with its ledger, and
 * what the accounts say of themselves. Pure; each claim names what broke it.
 */
import type { Finding } from '../../soak-audit.ts';
import type { Told } from './crowd.ts';

/** A job as the history has it. */
export interface PastJob {
  readonly id: string;
  /** The idempotency key it was asked for with, as its metadata say. */
  readonly key: string;
  readonly status: string;
  readonly isFinished: boolean;
}

export interface Entry {
  readonly jobId: string;
  readonly kind: 'hold' | 'settle' | 'release';
  readonly millitokens: number;
}

/** An account's own figures for today, beside what the ledger sums to. */
export interface Balance {
  readonly accountId: string;
  readonly spentMillitokens: number;
  readonly heldMillitokens: number;
  readonly settledMillitokens: number;
}

export interface Witnesses {
  readonly told: readonly Told[];
  /** Acknowledged ends by job. */
  readonly ends: ReadonlyMap<string, number>;
  readonly jobs: readonly PastJob[];
  readonly entries: readonly Entry[];
  readonly balances: readonly Balance[];
  readonly faults: readonly string[];
}

const TERMINAL = new Set(['completed', 'failed', 'cancelled']);

/** Every claim, with what broke it. */
export function examine(seen: Witnesses): Finding[] {
  return [
    findLost(seen),
    findDouble(seen),
    findUnended(seen),
    findUnbalanced(seen),
    findMiscounted(seen),
    {
      claim: 'every answer was the job, or a refusal to come so often',
      checked: seen.told.length,
      broken: [...seen.faults],
    },
  ];
}

function findLost({ told, jobs }: Witnesses): Finding {
  const counts = Map.groupBy(jobs, ({ id }) => id);
  const acknowledged = new Set(told.flatMap(({ ids }) => ids));
  return {
    claim: 'every acknowledged job exists, once',
    checked: acknowledged.size,
    broken: [...acknowledged].filter((id) => counts.get(id)?.length !== 1),
  };
}

function findDouble({ told, jobs }: Witnesses): Finding {
  const byKey = Map.groupBy(jobs, ({ key }) => key);
  const known = new Set(told.map(({ key }) => key));
  const broken = told.flatMap(({ key, ids }) => {
    const made = new Set([...ids, ...(byKey.get(key) ?? []).map(({ id }) => id)]);
    return made.size > 1 ? [`${key}: ${[...made].join(', ')}`] : [];
  });
  const unasked = jobs.filter(({ key }) => !known.has(key)).map(({ id }) => `${id}: not asked for`);
  return {
    claim: 'no idempotency key has two jobs, whether repeated or cut off',
    checked: told.length,
    broken: [...broken, ...unasked],
  };
}

function findUnended({ jobs, ends }: Witnesses): Finding {
  const broken = jobs.flatMap(({ id, status, isFinished }) => {
    if (!TERMINAL.has(status) || !isFinished) return [`${id} is ${status}`];
    const acknowledged = ends.get(id) ?? 0;
    const isOnce = status === 'completed' ? acknowledged === 1 : acknowledged <= 1;
    return isOnce ? [] : [`${id} is ${status}, ended by agents ${acknowledged} times`];
  });
  return { claim: 'every job ended, once', checked: jobs.length, broken };
}

function findUnbalanced({ jobs, entries }: Witnesses): Finding {
  const byJob = Map.groupBy(entries, ({ jobId }) => jobId);
  const broken = jobs.flatMap(({ id }) => {
    const own = byJob.get(id) ?? [];
    const amounts = (kind: Entry['kind']) => own.filter((entry) => entry.kind === kind);
    const isBalanced = sum(amounts('hold')) === sum(amounts('settle')) + sum(amounts('release'));
    return amounts('hold').length === 1 && own.length > 1 && isBalanced
      ? []
      : [`${id}: ${own.map(({ kind, millitokens }) => `${kind} ${millitokens}`).join(', ')}`];
  });
  return { claim: 'hold = settle + release, for every job', checked: jobs.length, broken };
}

function findMiscounted({ balances }: Witnesses): Finding {
  const broken = balances.flatMap((one) => {
    const { accountId, spentMillitokens, heldMillitokens, settledMillitokens } = one;
    return heldMillitokens === 0 && spentMillitokens === settledMillitokens
      ? []
      : [
          `${accountId}: holds ${heldMillitokens}, spent ${spentMillitokens}, ` +
            `by the ledger ${settledMillitokens}`,
        ];
  });
  return {
    claim: 'every account has spent what its ledger says, and holds nothing',
    checked: balances.length,
    broken,
  };
}

function sum(entries: readonly Entry[]): number {
  return entries.reduce((total, { millitokens }) => total + millitokens, 0);
}
