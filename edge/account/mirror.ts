/** The rows by which Postgres learns of an account, its keys and what was done to them. */
import type { MirrorRow } from '../services/mirror-account.ts';
import type { AccountRow, ApiKeyRow } from './store.ts';

/** What happened, for the audit. */
interface Cause {
  readonly action: string;
  readonly requestId: string;
  readonly now: number;
}

/** An account, these of its keys and the audit entry of what was done. */
export function accountRows(
  account: AccountRow,
  keys: readonly ApiKeyRow[],
  cause: Cause,
): MirrorRow[] {
  const { id, name, plan, blocked } = account;
  const { action, requestId } = cause;
  return [
    { table: 'account', row: { id, name, plan, blocked, createdAt: iso(account.createdAt) } },
    ...keys.map((key): MirrorRow => ({
      table: 'api_key',
      row: {
        id: key.id,
        accountId: id,
        name: 'default',
        secretHash: key.secretHash,
        scopes: [],
        createdAt: iso(key.createdAt),
        revokedAt: key.revokedAt === null ? null : iso(key.revokedAt),
      },
    })),
    {
      table: 'audit',
      row: {
        id: `${requestId}:${action}`,
        actor: 'admin',
        action,
        target: id,
        requestId,
        detail: { keys: keys.map((key) => key.id) },
        createdAt: iso(cause.now),
      },
    },
  ];
}

function iso(at: number): string {
  return new Date(at).toISOString();
}
