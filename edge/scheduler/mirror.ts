/** The rows by which Postgres learns of an agent and of what was done to it. */
import type { AgentEntry } from '../core/state.ts';
import type { MirrorRow } from '../services/mirror-account.ts';

/** What happened; an audit entry is made when the operator did it. */
export interface AgentCause {
  readonly pool: string;
  readonly audit: {
    readonly action: string;
    readonly requestId: string;
    readonly reason?: string | undefined;
  } | null;
  readonly now: number;
}

/** An agent, and the audit entry when the operator did something to it. */
export function agentRows(agent: AgentEntry, cause: AgentCause): MirrorRow[] {
  const at = new Date(cause.now).toISOString();
  const mirrored: MirrorRow = {
    table: 'agent',
    row: {
      id: agent.id,
      pool: cause.pool,
      name: agent.name,
      tokenHash: agent.secretHash,
      capabilities: agent.capabilities,
      createdAt: new Date(agent.createdAt).toISOString(),
      lastSeenAt: agent.lastSeenAt === null ? null : new Date(agent.lastSeenAt).toISOString(),
      revokedAt: agent.revoked ? at : null,
    },
  };
  if (!cause.audit) return [mirrored];
  const { action, requestId, reason } = cause.audit;
  const id = `${requestId}:${action}`;
  const row = {
    id,
    actor: 'admin',
    action,
    target: agent.id,
    requestId,
    detail: reason === undefined ? {} : { reason },
    createdAt: at,
  };
  return [mirrored, { table: 'audit', row }];
}
