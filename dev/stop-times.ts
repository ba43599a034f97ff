/**
 * How long the parts may take to stop. The agent has the longest: it finishes its job or gives
 * it back, and is never killed while it still does so.
 */
import assert from 'node:assert/strict';
import { GOODBYE_MS_MAX, LEAVE_MS } from '../agent/limits.ts';

/** How long the launcher's agent goes on with its job: a person waits at the terminal. */
export const AGENT_DRAIN_MS = 6000;
/** When a part that was asked to stop is killed. */
export const STOP_MS = { agent: 20_000, edge: 5000, chat: 3000, database: 10_000 } as const;
/** When a child whose launcher is gone ends itself, whatever it still does. */
export const ORPHAN_MS = 25_000;

const AGENT_LEAVES_MS = AGENT_DRAIN_MS + LEAVE_MS + GOODBYE_MS_MAX;
assert(AGENT_LEAVES_MS < STOP_MS.agent, 'the agent may drain and leave before it is killed');
assert(Math.max(...Object.values(STOP_MS)) < ORPHAN_MS, 'an orphan has the same time to stop');
