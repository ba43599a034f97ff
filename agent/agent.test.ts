/** An agent that serves several pools with one engine. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BACKOFF_MS_MIN, HEARTBEAT_MS } from '#schema/limits.ts';
import { Box } from './doubles/box.ts';
import { errorBody } from './doubles/edge-server.ts';
import type { ModelJob } from './doubles/edge-model.ts';
import { IMAGE_SPEC } from './doubles/spec.ts';
import { ASK_AHEAD_MS_MIN, LENT_ASK_MS, STOP_MS_MAX } from './limits.ts';

let box: Box;
beforeEach(async () => {
  box = await Box.open('main', 'side');
  await box.boot();
  await box.idle();
});
afterEach(() => box.close());

const MAIN = 0;
const SIDE = 1;
const UNKNOWN = { do: 'reply', status: 401, body: errorBody('unauthorized') } as const;

function submit(place: number): ModelJob {
  return box.submit(IMAGE_SPEC, box.servers[place]);
}

/** The pool of the job that runs now. */
function running(): string {
  return /_([a-z]+)\.\d+\.\d+$/.exec(box.engine.context().directory)?.[1] ?? '';
}

/** Whether no ask of a session is on its way: it was answered, or is parked. */
function isAnswered(place: number): boolean {
  const asks = box.state(place).calls.filter((call) => call.asks).length;
  return box.servers[place]!.parked('acquire') === asks;
}

const phases = (place: number) => box.state(place).leases.map(({ phase }) => phase);

describe('two pools', () => {
  it('are each asked by one parked request of a session of its own', () => {
    for (const server of box.servers) {
      expect(server.calls.map(({ verb }) => verb)).toEqual(['register', 'acquire']);
    }
    expect(new Set(box.agent.served().map(({ session }) => session.sessionId)).size).toBe(2);
  });

  it('have one run at a time: the job of the other one waits, with its lease renewed', async () => {
    submit(MAIN);
    await box.until(() => box.engine.busy());
    const waits = submit(SIDE);
    await box.until(() => phases(SIDE).includes('waiting'));
    const before = waits.expiresAt;
    box.clock.advance(HEARTBEAT_MS);
    await box.until(() => waits.expiresAt > before);
    expect(box.engine.runs).toBe(1);
    await box.engine.finish();
    await box.until(() => box.engine.runs === 2);
    expect(running()).toBe('side');
  });

  it('take turns while both have jobs, and every job is done', async () => {
    const jobs = [MAIN, MAIN, MAIN, MAIN, SIDE, SIDE, SIDE, SIDE].map(submit);
    const order: string[] = [];
    for (let run = 1; run <= jobs.length; run++) {
      await box.until(() => box.engine.runs === run && box.engine.busy());
      order.push(running());
      // What was asked for is answered: it is granted, or parked.
      await box.until(() => [MAIN, SIDE].every((place) => isAnswered(place)));
      await box.engine.finish();
    }
    await box.until(() => jobs.every(({ status }) => status === 'completed'));
    // Nobody has three runs in a row while the other waits.
    expect(order.slice(0, 6).join(' ')).not.toMatch(/main main main|side side side/);
  });

  it('ask ahead of the end of each other’s runs', async () => {
    submit(MAIN);
    await box.until(() => box.engine.busy());
    box.clock.advance(LENT_ASK_MS);
    await box.until(() => box.servers[SIDE]!.parked('acquire') === 0);
    const job = submit(SIDE);
    const { onProgress } = box.engine.context();
    onProgress({ fraction: 0, stage: 'running', step: 0, steps: 2 });
    box.clock.advance(5000);
    onProgress({ fraction: 0.5, stage: 'running', step: 1, steps: 2 });
    expect(job.status).toBe('queued');
    box.clock.advance(5000 - ASK_AHEAD_MS_MIN);
    await box.until(() => phases(SIDE).includes('waiting'));
    expect(box.servers[SIDE]!.last('acquire')).toMatchObject({ busyMs: ASK_AHEAD_MS_MIN });
    await box.engine.finish();
    await box.until(() => box.engine.runs === 2);
    expect(running()).toBe('side');
  });
});

describe('one of two pools', () => {
  it('whose token is revoked ends alone; the other goes on', async () => {
    box.servers[SIDE]!.trouble = () => UNKNOWN;
    submit(SIDE);
    box.clock.advance(LENT_ASK_MS);
    box.servers[SIDE]!.wake(true);
    await box.logged('session.end');
    expect(box.agent.served().map(({ left }) => left)).toEqual([null, 'unauthorized']);
    const job = submit(MAIN);
    await box.until(() => box.engine.busy());
    await box.engine.finish();
    await box.until(() => job.status === 'completed');
    box.agent.drain();
    expect(await box.agent.done).toEqual({ code: 0, reason: 'drained' });
  });

  it('whose job runs when its token is revoked gives the engine to the other', async () => {
    submit(SIDE);
    await box.until(() => box.engine.busy());
    const job = submit(MAIN);
    await box.until(() => phases(MAIN).includes('waiting'));
    await box.until(() => box.servers[SIDE]!.parked('control') === 1);
    box.servers[SIDE]!.trouble = () => UNKNOWN;
    box.clock.advance(HEARTBEAT_MS);
    await box.logged('session.end');
    await box.until(() => box.servers[SIDE]!.parked('control') === 0);
    await box.until(() => box.engine.runs === 2 && box.engine.busy());
    expect(running()).toBe('main');
    await box.engine.finish();
    await box.until(() => job.status === 'completed');
  });

  it('whose job does not stop when its token is revoked ends the agent: nobody else could run', async () => {
    box.engine.stubborn = true;
    submit(SIDE);
    await box.until(() => box.engine.busy());
    box.servers[SIDE]!.trouble = () => UNKNOWN;
    box.clock.advance(HEARTBEAT_MS);
    await box.logged('session.end');
    box.clock.advance(STOP_MS_MAX);
    expect(await box.agent.done).toEqual({ code: 1, reason: 'engine_wedged' });
  });

  it('that is drained by the edge ends alone', async () => {
    box.servers[SIDE]!.model.drain = true;
    box.servers[SIDE]!.wake();
    await box.logged('session.end');
    const job = submit(MAIN);
    await box.until(() => box.engine.busy());
    await box.engine.finish();
    await box.until(() => job.status === 'completed');
  });

  it('gets its own undelivered results back after a restart', async () => {
    const jobs = [submit(MAIN), submit(SIDE)];
    for (const server of box.servers) {
      server.trouble = (name) => (name === 'upload' ? { do: 'drop_request' } : undefined);
    }
    for (let run = 1; run <= 2; run++) {
      await box.until(() => box.engine.runs === run && box.engine.busy());
      await box.engine.finish();
    }
    await box.logged('job.keep', 2);
    await box.agent.settled();
    await box.kill();
    for (const server of box.servers) server.trouble = () => undefined;
    await box.boot();
    await box.until(() => jobs.every(({ status }) => status === 'completed'));
    expect(jobs.map(({ attempt }) => attempt)).toEqual([1, 1]);
    expect(box.engine.runs).toBe(2);
  });
});

it('leaves with code 2 when all of its tokens are refused', async () => {
  for (const server of box.servers) {
    server.trouble = () => UNKNOWN;
    server.wake(true);
  }
  await box.until(() => box.agent.served().every(({ session }) => session.calls.length === 0));
  box.clock.advance(BACKOFF_MS_MIN);
  expect(await box.agent.done).toEqual({ code: 2, reason: 'unauthorized' });
});

it('gives back what waits, finishes what runs and says goodbye to each pool when it is drained', async () => {
  const [runs, waits] = [submit(MAIN), submit(SIDE)];
  await box.until(() => box.engine.busy() && box.engine.runs === 1);
  await box.until(() => runs.status === 'running' && waits.status === 'running');
  await box.until(() => box.state(MAIN).leases.length + box.state(SIDE).leases.length === 2);
  const first = running() === 'main' ? runs : waits;
  const second = first === runs ? waits : runs;
  box.agent.drain();
  await box.until(() => second.status === 'queued');
  await box.engine.finish();
  expect(await box.agent.done).toEqual({ code: 0, reason: 'drained' });
  expect(first.status).toBe('completed');
  await box.agent.goodbyes();
  for (const [place, server] of box.servers.entries()) {
    expect([...server.left]).toEqual([box.state(place).sessionId]);
  }
});
