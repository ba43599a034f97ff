/** What happens to the system: objects put out of memory, alarms, time, the operator's orders. */
import { expect } from 'vitest';
import { DAY_MS } from '#schema/limits.ts';
import { pass } from './check.ts';
import { makeCommand } from './command.ts';
import type { Command } from './command.ts';

/** An object loses its memory, and goes on when it is next called. */
export function evict(what: 'scheduler' | number): Command {
  return makeCommand(`evict(${what})`, async (model, system) => {
    await system.evict(what);
    if (what === 'scheduler') model.loosenLeases(model.now);
  });
}

/** The alarms come early, or once more. */
export function fireAlarms(): Command {
  return makeCommand('fireAlarms()', (_, system) => system.fireAlarms());
}

/** Time passes in which no agent is heard; leases lapse. */
export function wait(ms: number, isAsleep: boolean): Command {
  const title = `wait(${ms / 1000} s${isAsleep ? ', asleep' : ''})`;
  return makeCommand(title, async (model, system) => {
    if (isAsleep) {
      await system.evict('scheduler');
      model.loosenLeases(model.now + ms);
    }
    await pass(model, system, ms);
  });
}

/** Until the day after tomorrow begins: tokens renew, idempotency keys are forgotten. */
export function waitForDays(): Command {
  return makeCommand('waitForDays()', async (model, system) => {
    const then = (model.today + 2) * DAY_MS;
    await pass(model, system, then - model.now);
    for (const { keys } of model.accounts) keys.clear();
  });
}

/** The operator lets an agent finish. */
export function drain(agent: number): Command {
  return makeCommand(`drain(${agent})`, async (model, system) => {
    const { agentId } = system.boxes[agent]!.credential;
    expect(await system.scheduler.drainAgent(agentId, `req_${agentId}`)).toBe(true);
    model.agents[agent]!.isDraining = true;
  });
}

/** The operator takes an agent's token away: what it holds lapses. */
export function revoke(agent: number): Command {
  return makeCommand(`revoke(${agent})`, async (model, system) => {
    const { agentId } = system.boxes[agent]!.credential;
    expect(await system.scheduler.revokeAgent(agentId, `req_${agentId}`)).toBe(true);
    model.agents[agent]!.isRevoked = true;
  });
}
