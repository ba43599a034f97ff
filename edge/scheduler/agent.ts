/**
 * A pool's agents in SQLite: who they are, what they announced, when they were last heard of.
 * Most signs of life stay in memory: an agent silent for less than AGENT_SEEN_WRITE_MS may look
 * so much older after a restart, until its next call.
 */
import { Capabilities } from '#schema/agent-protocol.ts';
import { AGENT_SEEN_WRITE_MS } from '#schema/limits.ts';
import { batchesOf, modelsOf, noDebts } from '../core/evolve.ts';
import type { Change, QueueState } from '../core/state.ts';
import type { AgentRow } from './row.ts';

/** The agents' rows; see above. */
export class AgentRows {
  readonly #sql: SqlStorage;
  readonly #seenWrittenAt = new Map<string, number>();

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Puts all agents into a state. */
  load(state: QueueState): void {
    for (const row of this.#sql.exec<AgentRow>('SELECT * FROM agent')) this.#load(state, row);
  }

  #load(state: QueueState, row: AgentRow): void {
    const capabilities = row.capabilities_json
      ? Capabilities.parse(JSON.parse(row.capabilities_json))
      : null;
    state.agents.set(row.id, {
      id: row.id,
      name: row.name,
      secretHash: row.secret_hash,
      createdAt: row.created_at,
      capabilities,
      models: capabilities ? modelsOf(capabilities) : new Set(),
      batchMax: capabilities ? batchesOf(capabilities) : new Map(),
      resident: [],
      sessionId: row.session_id,
      draining: row.draining === 1,
      revoked: row.revoked === 1,
      lastSeenAt: row.last_seen_at,
      leases: new Set(),
      ledger: noDebts(),
    });
    if (row.last_seen_at !== null) this.#seenWrittenAt.set(row.id, row.last_seen_at);
  }

  /** Writes what happened to an agent. */
  write(change: Extract<Change, { agentId: string }>): void {
    switch (change.kind) {
      case 'agent_issued':
        this.#sql.exec(
          `INSERT INTO agent (id, name, secret_hash, created_at, draining, revoked)
           VALUES (?, ?, ?, ?, 0, 0)`,
          change.agentId,
          change.name,
          change.secretHash,
          change.at,
        );
        return;
      case 'agent_revoked':
        this.#sql.exec('UPDATE agent SET revoked = 1 WHERE id = ?', change.agentId);
        return;
      case 'agent_drained':
        this.#sql.exec('UPDATE agent SET draining = 1 WHERE id = ?', change.agentId);
        return;
      case 'agent_registered':
        this.#seenWrittenAt.set(change.agentId, change.at);
        this.#sql.exec(
          `UPDATE agent SET session_id = ?, capabilities_json = ?, draining = 0, last_seen_at = ?
           WHERE id = ?`,
          change.sessionId,
          JSON.stringify(change.capabilities),
          change.at,
          change.agentId,
        );
        return;
      case 'agent_seen': {
        const writtenAt = this.#seenWrittenAt.get(change.agentId) ?? 0;
        if (change.at - writtenAt < AGENT_SEEN_WRITE_MS) return;
        this.#seenWrittenAt.set(change.agentId, change.at);
        this.#sql.exec('UPDATE agent SET last_seen_at = ? WHERE id = ?', change.at, change.agentId);
      }
    }
  }
}
