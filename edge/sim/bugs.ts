/**
 * Bugs to plant, one at a time, to show that the checkers bite: each is a patch of production
 * code, made when it is loaded. What is guarded twice takes two patches to break.
 */
export interface Patch {
  readonly file: string;
  /** Must be there exactly once. */
  readonly from: string;
  readonly to: string;
}

export interface Bug {
  readonly name: string;
  readonly patches: readonly Patch[];
}

export const BUGS: readonly Bug[] = [
  {
    name: 'no-fencing',
    patches: [
      {
        file: 'edge/core/lease.ts',
        from: 'if (!entry?.lease || entry.fencingToken !== ref.fencingToken) return null;',
        to: 'if (!entry?.lease) return null;',
      },
    ],
  },
  {
    name: 'any-session-ends',
    patches: [
      {
        file: 'edge/core/lease.ts',
        from: 'return lease.agentId === caller.agentId && lease.sessionId === caller.sessionId ? entry : null;',
        to: 'return lease && caller ? entry : null;',
      },
    ],
  },
  {
    name: 'stale-completion-accepted',
    patches: [
      {
        file: 'edge/core/queue.ts',
        from: 'const repeated = endedUnder(state, lease);',
        to: 'const repeated = endedUnder(state, lease) || state.jobs.has(lease.jobId);',
      },
    ],
  },
  {
    name: 'requeue-on-cancel',
    patches: [
      {
        file: 'edge/core/queue.ts',
        from: 'if (entry.cancelRequestedAt !== null) return cancelled(entry.id, now);',
        to: '',
      },
    ],
  },
  {
    name: 'cancelled-job-delivers',
    patches: [
      {
        file: 'edge/core/queue.ts',
        from: `if (entry.cancelRequestedAt !== null)
    return ok([end(entry, command, { status: 'cancelled', at: now })]);`,
        to: '',
      },
    ],
  },
  {
    name: 'duplicate-enqueue',
    patches: [
      {
        file: 'edge/core/queue.ts',
        from: 'if (state.jobs.has(order.id)) {',
        to: 'if (state.jobs.has(order.id) && command.cancelled) {',
      },
      {
        file: 'edge/account/hand-over.ts',
        from: 'const again = open.filter((job) => job.cancelled || !isKnown(job));',
        to: 'const again = open;',
      },
    ],
  },
  {
    name: 'terminal-overwritten',
    patches: [
      {
        file: 'edge/core/queue.ts',
        from: 'if (!entry || isTerminal(entry.status) || entry.cancelRequestedAt !== null) return NOTHING;',
        to: 'if (!entry || entry.cancelRequestedAt !== null) return NOTHING;',
      },
      {
        file: 'edge/scheduler/scheduler.ts',
        from: "if (isTerminal(entry.status)) return 'already_finished';",
        to: '',
      },
    ],
  },
  {
    name: 'attempts-unbounded',
    patches: [
      {
        file: 'edge/core/queue.ts',
        from: "if (entry.attempt >= ATTEMPTS_MAX) return failed(entry.id, 'attempts_exhausted', now);",
        to: '',
      },
      {
        file: 'edge/core/queue.ts',
        from: 'const again = command.retryable && entry.attempt < ATTEMPTS_MAX;',
        to: 'const again = command.retryable;',
      },
    ],
  },
  {
    name: 'lease-never-lapses',
    patches: [
      {
        file: 'edge/core/lease.ts',
        from: 'if (entry?.lease && entry.lease.expiresAt <= now) entries.push(entry);',
        to: '',
      },
    ],
  },
  {
    name: 'place-lost-on-requeue',
    patches: [
      {
        file: 'edge/core/evolve.ts',
        from: `entry.sequence += 1;
      return addWaiting(state, entry);`,
        to: `entry.sequence += 1;
      Object.assign(entry, { place: state.nextPlace++ });
      return addWaiting(state, entry);`,
      },
    ],
  },
  {
    name: 'tier-inversion',
    patches: [
      {
        file: 'edge/core/dispatch.ts',
        from: `for (const tier of TIERS) {
      const choice = this.#inTier(tier);`,
        to: `for (const tier of [...TIERS].reverse()) {
      const choice = this.#inTier(tier);`,
      },
    ],
  },
  {
    name: 'unbounded-bypass',
    patches: [
      {
        file: 'edge/core/dispatch.ts',
        from: 'if (ofHead && ofHead !== pick && this.#isOwed(tier, ofHead, pick)) pick = ofHead;',
        to: '',
      },
    ],
  },
  {
    name: 'double-settle',
    patches: [
      {
        file: 'edge/account/intake.ts',
        from: `ended += 1;
        this.#store.deleteJob(jobId);`,
        to: 'ended += 1;',
      },
    ],
  },
  {
    name: 'hold-leak',
    patches: [
      {
        file: 'edge/account/intake.ts',
        from: 'this.#undo(order, idempotencyKey);',
        to: '',
      },
    ],
  },
  {
    name: 'lost-wake-up',
    patches: [
      {
        file: 'edge/account/account.ts',
        from: 'void this.ctx.storage.setAlarm(this.#alarmAt);',
        to: '',
      },
    ],
  },
  {
    name: 'parked-poll-forgotten',
    patches: [
      {
        file: 'edge/scheduler/desk.ts',
        from: 'match(now: number): void {',
        to: 'match(now: number): void {\n    if (now > 0) return;',
      },
    ],
  },
  {
    name: 'key-not-stored',
    patches: [
      {
        file: 'edge/account/intake.ts',
        from: 'this.#store.saveIdempotent(idempotencyKey, { bodyHash, jobId: order.id }, now);',
        to: '',
      },
    ],
  },
  {
    name: 'key-of-another-body',
    patches: [
      {
        file: 'edge/account/intake.ts',
        from: "if (known !== bodyHash) return fail({ reason: 'idempotency_conflict' });",
        to: '',
      },
    ],
  },
  {
    name: 'limit-not-held',
    patches: [
      {
        file: 'edge/core/credit.ts',
        from: 'if (amount > available(credit, limitMillitokens)) return null;',
        to: '',
      },
    ],
  },
  {
    name: 'outbox-forgets',
    patches: [
      {
        file: 'edge/scheduler/outbox.ts',
        from: `this.#hooks.onFailure(receiver, error);
      line.failures += 1;`,
        to: `this.#hooks.onFailure(receiver, error);
      for (const id of batch) line.due.delete(id);
      line.failures += 1;`,
      },
    ],
  },
  {
    name: 'outbox-overtakes',
    patches: [
      {
        file: 'edge/scheduler/outbox.ts',
        from: 'return current === null || current <= sequence;',
        to: 'return current === null || sequence > 0;',
      },
    ],
  },
  {
    name: 'cursor-passes-undelivered',
    patches: [
      {
        file: 'edge/scheduler/postman.ts',
        from: 'store.setPostgresCursor(oldest === null ? store.changed : oldest - 1);',
        to: 'store.setPostgresCursor(store.changed + (oldest === null ? 20 : 20));',
      },
      {
        file: 'edge/scheduler/store.ts',
        from: 'if (changed - this.#cursor < RECORD_BATCH_MAX) return;',
        to: 'if (changed <= this.#cursor || RECORD_BATCH_MAX < 1) return;',
      },
    ],
  },
  {
    name: 'restart-forgets-settlements',
    patches: [
      {
        file: 'edge/scheduler/store.ts',
        from: "if (row.finished_at !== null) undelivered.push({ receiver: 'account', jobId, changed });",
        to: '',
      },
    ],
  },
  {
    name: 'restart-forgets-couriers',
    patches: [
      {
        file: 'edge/scheduler/store.ts',
        from: 'this.audience.set(row.id, row.watched);',
        to: 'this.audience.set(row.id, row.watched & 1);',
      },
    ],
  },
  {
    name: 'ahead-forgotten',
    patches: [
      {
        file: 'edge/account/intake.ts',
        from: 'this.#isWhole = books.account.life.aheadIn === null;',
        to: 'this.#isWhole = true;',
      },
    ],
  },
  {
    name: 'ahead-counted-twice',
    patches: [
      {
        file: 'edge/scheduler/taken.ts',
        from: 'order.ahead.ordinal > after',
        to: 'order.ahead.ordinal > 0 * after',
      },
    ],
  },
  {
    name: 'offer-of-a-former-life-taken',
    patches: [
      {
        file: 'edge/scheduler/pool.ts',
        from: 'if (this.#store.fences.isPast(order.accountId, options.epoch)) {',
        to: 'if (this.#store.fences.isPast(order.accountId, undefined)) {',
      },
    ],
  },
  {
    name: 'agent-delivers-after-its-lease',
    patches: [
      {
        file: 'agent/session/agenda.ts',
        from: 'if (isLive(lease, turn.at)) deliver(turn, lease);',
        to: 'if (isLive(lease, turn.at) || lease.end) deliver(turn, lease);',
      },
      {
        file: 'agent/session/agenda.ts',
        from: 'const due = tries && lease.retryAt < lease.liveUntil;',
        to: 'const due = tries;',
      },
    ],
  },
  {
    name: 'agent-runs-on-without-lease',
    patches: [
      {
        file: 'agent/session/agenda.ts',
        from: "add(lease.liveUntil, (now, mine) => lose(now, mine, 'lapsed'));",
        to: '',
      },
    ],
  },
];

/** The bug of this name; throws when there is none. */
export function findBug(name: string): Bug {
  const bug = BUGS.find((other) => other.name === name);
  if (!bug) throw new Error(`no bug is called ${name}; --bugs lists them`);
  return bug;
}
