/** The rows by which Postgres learns of an account, its keys and what was done to them. */
import type { Deed } from '../rpc/account.ts';
import type { MirrorRow } from '../services/mirror-account.ts';
import type { AccountRow, ApiKeyRow } from './row.ts';

/** What happened, for the audit. */
interface Cause extends Deed {
  readonly action: string;
  readonly detail?: Readonly<Record<string, unknown>>;
  readonly now: number;
}

/** An account, these of its keys and the audit entry of what was done. */
export function accountRows(
  account: AccountRow,
  keys: readonly ApiKeyRow[],
  cause: Cause,
): MirrorRow[] {
  const { id, name, plan, blocked } = account;
  return [
    {
      table: 'account',
      row: {
        ...{ id, name, plan, blocked, blockReason: account.blockReason },
        planEndsAt: isoOrNull(account.planUntil),
        createdAt: iso(account.createdAt),
      },
    },
    ...keys.map((key) => keyRow(account, key)),
    auditRow(id, cause),
  ];
}

function keyRow(account: AccountRow, key: ApiKeyRow): MirrorRow {
  return {
    table: 'api_key',
    row: {
      id: key.id,
      accountId: account.id,
      name: key.name,
      secretHash: key.secretHash,
      scopes: [...key.scopes],
      createdAt: iso(key.createdAt),
      expiresAt: isoOrNull(key.expiresAt),
      revokedAt: isoOrNull(key.revokedAt),
      lastUsedAt: isoOrNull(account.uses[key.id]?.usedAt ?? null),
    },
  };
}

/** The audit entry alone. */
export function auditRow(target: string, cause: Cause): MirrorRow {
  const { actor, action, requestId, reason, detail = {}, now } = cause;
  return {
    table: 'audit',
    row: {
      id: `${requestId}:${action}`,
      actor,
      action,
      target,
      requestId,
      detail: { ...(reason === null ? {} : { reason }), ...detail },
      createdAt: iso(now),
    },
  };
}

function iso(at: number): string {
  return new Date(at).toISOString();
}

function isoOrNull(at: number | null): string | null {
  return at === null ? null : iso(at);
}
