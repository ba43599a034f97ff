/**
 * What always holds of an agent's session, seen from outside: it speaks for a lease only while
 * that lasts by its own clock, runs nothing without one, and asks for work once at a time.
 */
import type { Session, SessionAction } from '../../../agent/session.ts';
import type { World } from '../world.ts';

/** Checks a state and what the session wants done in it. */
export function checkSession(
  of: { readonly world: World; readonly name: string; readonly at: number },
  session: Session,
  actions: readonly SessionAction[],
): void {
  const { world, name, at } = of;
  const rule = (holds: boolean, what: string) => {
    if (!holds) world.violate(what, `${name} at ${at}`);
  };
  const asking = session.calls.filter((call) => call.asks).length;
  rule(asking <= 1, 'an agent asks for one job at a time');
  const jobs = new Set(session.leases.map((lease) => lease.grant.jobId));
  rule(jobs.size === session.leases.length, 'an agent has one lease of a job');
  for (const lease of session.leases) {
    if (lease.phase === 'running') {
      rule(at < lease.liveUntil, 'an agent runs a job only while its lease lasts');
    }
  }
  for (const action of actions) {
    if (action.do !== 'call') continue;
    if (action.verb !== 'complete' && action.verb !== 'fail' && action.verb !== 'return') continue;
    const { jobId, fencingToken } = action.body.lease;
    const mine = session.leases.find(
      ({ grant }) => grant.jobId === jobId && grant.fencingToken === fencingToken,
    );
    rule(mine !== undefined, 'an agent ends no lease that it has lost');
    rule(!mine || at < mine.liveUntil, 'an agent ends no lease that has lapsed');
  }
}
