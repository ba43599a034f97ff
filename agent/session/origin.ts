/**
 * How a session and its leases begin. Every field of their state has its first value here, and
 * nothing is decided: time and ids are arguments.
 */
import type { Capabilities } from '#schema/agent-protocol.ts';
import { HEARTBEAT_MS, LEASE_MS, POLL_MS } from '#schema/limits.ts';
import type { Grant, Kept, Lease, Pace, Session } from './state.ts';

/** A session that has sent nothing yet; `kept` results get the lease ids 1, 2, … in order. */
export function createSession(start: {
  sessionId: string;
  version: string;
  capabilities: Capabilities;
  kept: readonly Kept[];
  drainMs: number;
  at: number;
}): Session {
  const pace = (): Pace => ({ failures: 0, notBefore: start.at });
  return {
    sessionId: start.sessionId,
    version: start.version,
    capabilities: start.capabilities,
    drainMs: start.drainMs,
    heartbeatMs: HEARTBEAT_MS,
    pollMs: POLL_MS,
    registered: false,
    leases: start.kept.map((kept, index) => ({
      ...newLease({ id: index + 1, grant: kept.grant, at: start.at }),
      phase: 'ending',
      end: { verb: 'complete', artifacts: null },
      usage: kept.usage,
      loadMs: kept.loadMs,
      serviceMs: kept.serviceMs,
      kept: true,
    })),
    calls: [],
    run: null,
    lent: null,
    freeAt: start.at,
    discovering: false,
    roundTrip: null,
    learned: {},
    awayRuns: 0,
    pace: { register: pace(), acquire: pace(), control: pace(), renew: pace() },
    renewedAt: start.at - LEASE_MS,
    resident: [],
    health: { status: 'ok', message: null, vramFreeMib: null },
    drain: null,
    exited: false,
    sequence: start.kept.length,
  };
}

/** A lease that waits, not confirmed yet. */
export function newLease(of: { id: number; grant: Grant; at: number }): Lease {
  return {
    id: of.id,
    grant: of.grant,
    spec: null,
    phase: 'waiting',
    grantedAt: of.at,
    batch: of.id,
    hadFrom: null,
    liveUntil: of.at,
    startedAt: null,
    runEndedAt: null,
    stopFor: null,
    progress: null,
    preview: null,
    fresh: false,
    usage: {},
    loadMs: 0,
    serviceMs: 0,
    end: null,
    trying: null,
    retryAt: of.at,
    failures: 0,
    kept: false,
    disowned: false,
  };
}
