/**
 * One job from submit to its end.
 *
 * idle -> submitting -> following -> ended;  submitting -> idle with a problem
 *
 * A submit whose answer was lost is sent again with the same Idempotency-Key, also when the
 * person presses the button again: the same request never becomes two jobs. A request that
 * differs, or that was refused, gets a new key.
 */
import { useEffect, useMemo, useRef, useState } from 'react';
import type { JobView } from '#schema/api.ts';
import type { JobRequest } from '#schema/job.ts';
import { isTerminal } from '#schema/job.ts';
import { cancelJob, openEvents, readJob, submitJob } from './api.ts';
import type { Answer } from './client.ts';
import { backoffMs, followJob } from './follow-job.ts';
import type { FollowPorts } from './follow-job.ts';
import { applyEvent, startProgress } from './job-progress.ts';
import type { JobProgress } from './job-progress.ts';
import type { Problem } from './problem.ts';
import { sleep } from './timer.ts';

/** Sends of one submit without an answer before the person is asked to decide. */
const SUBMIT_TRIES = 3;

export interface JobState {
  readonly phase: 'idle' | 'submitting' | 'following' | 'ended';
  readonly current: JobProgress | null;
  readonly connection: 'live' | 'polling' | 'reconnecting';
  /** Why it was not submitted, not cancelled, or is no longer followed. */
  readonly problem: Problem | null;
  readonly isCancelling: boolean;
}

export interface JobHandle extends JobState {
  submit(request: JobRequest): void;
  cancel(): void;
  /** Follows again after the connection was given up. */
  resume(): void;
}

interface Submission {
  readonly request: JobRequest;
  readonly body: string;
  readonly idempotencyKey: string;
}

/** What the steps below need of the component. */
interface Tools {
  readonly key: string;
  readonly update: (change: (now: JobState) => JobState) => void;
  /** The balance may have changed. */
  readonly onSpent: () => void;
}

const IDLE: JobState = {
  phase: 'idle',
  current: null,
  connection: 'live',
  problem: null,
  isCancelling: false,
};

export function useJob(key: string, onSpent: () => void): JobHandle {
  const [state, setState] = useState(IDLE);
  const stopRef = useRef<AbortController | null>(null);
  const pendingRef = useRef<Submission | null>(null);
  const tools = useMemo(() => ({ key, update: setState, onSpent }), [key, onSpent]);

  useEffect(() => () => stopRef.current?.abort(), []);

  function begin(work: (signal: AbortSignal) => Promise<void>): void {
    stopRef.current?.abort();
    const stop = new AbortController();
    stopRef.current = stop;
    void untilAborted(work, stop.signal);
  }

  return {
    ...state,
    submit(request) {
      const body = JSON.stringify(request);
      const known = pendingRef.current;
      const submission =
        known?.body === body ? known : { request, body, idempotencyKey: crypto.randomUUID() };
      pendingRef.current = submission;
      begin(async (signal) => {
        const answer = await submit(tools, submission, signal);
        if (answer.ok || answer.problem.reason === 'refused') pendingRef.current = null;
        if (answer.ok) await follow(tools, answer.value, signal);
      });
    },
    cancel() {
      const job = state.current?.job;
      const signal = stopRef.current?.signal;
      if (job && signal) void untilAborted(() => cancel(tools, job, signal), signal);
    },
    resume() {
      const job = state.current?.job;
      if (job) begin((signal) => follow(tools, job, signal));
    },
  };
}

/** Runs `work`; its rejection is expected once the page has moved on, and a fault otherwise. */
async function untilAborted(
  work: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  try {
    await work(signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

async function submit(
  tools: Tools,
  submission: Submission,
  signal: AbortSignal,
): Promise<Answer<JobView>> {
  tools.update(() => ({ ...IDLE, phase: 'submitting' }));
  const answer = await sendUntilAnswered(() => submitJob(tools.key, submission, signal), signal);
  tools.update((now) =>
    answer.ok
      ? { ...now, phase: 'following', current: startProgress(answer.value) }
      : { ...now, phase: 'idle', problem: answer.problem },
  );
  if (answer.ok) tools.onSpent();
  return answer;
}

async function follow(tools: Tools, job: JobView, signal: AbortSignal): Promise<void> {
  const { key, update, onSpent } = tools;
  const ports: FollowPorts = {
    openEvents: (lastEventId, inner) => openEvents(key, { jobId: job.id, lastEventId }, inner),
    readJob: (inner) => readJob(key, job.id, inner),
    sleep,
    random: Math.random,
  };
  update((now) => ({ ...now, problem: null }));
  for await (const step of followJob(ports, signal)) {
    switch (step.kind) {
      case 'connection':
        update((now) => ({ ...now, connection: step.connection }));
        break;
      case 'lost':
        update((now) => ({ ...now, problem: step.problem }));
        break;
      case 'event':
        update((now) => ({ ...now, current: now.current && applyEvent(now.current, step.event) }));
        if (step.event.event !== 'state' || !isTerminal(step.event.data.status)) break;
        update((now) => ({ ...now, phase: 'ended', problem: null, isCancelling: false }));
        onSpent();
        break;
    }
  }
}

async function cancel(tools: Tools, job: JobView, signal: AbortSignal): Promise<void> {
  tools.update((now) => ({ ...now, problem: null, isCancelling: true }));
  const answer = await cancelJob(tools.key, job.id, signal);
  // The outcome comes with the events; only a failure to ask is told here.
  if (answer.ok) return;
  tools.update((now) => ({ ...now, problem: answer.problem, isCancelling: false }));
}

/** Sends until something answers: a request that may have arrived is safe to repeat. */
async function sendUntilAnswered(
  send: () => Promise<Answer<JobView>>,
  signal: AbortSignal,
): Promise<Answer<JobView>> {
  for (let tries = 1; ; tries += 1) {
    const answer = await send();
    const mayRepeat = !answer.ok && answer.problem.reason === 'unreachable';
    if (!mayRepeat || tries >= SUBMIT_TRIES) return answer;
    await sleep(backoffMs(tries, Math.random()), signal);
  }
}
