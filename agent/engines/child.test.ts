import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Child, IDLE_MS } from './child.ts';
import type { Order, Step } from './doubles/child.ts';
import { EngineError } from './engine.ts';

const SCRIPT = new URL('./doubles/child.ts', import.meta.url);
const PARENT = fileURLToPath(new URL('./doubles/parent.ts', import.meta.url));

let child: Child<Order, Step, string>;
let said: string[] = [];
let timers: { ms: number; act: () => void; cancelled: boolean }[] = [];
let steps: Step[] = [];

async function run(
  order: Order,
  {
    signal = new AbortController().signal,
    onStep,
  }: { signal?: AbortSignal; onStep?: (step: Step) => void } = {},
): Promise<{ result: string; loadMs: number }> {
  const onEvent = (step: Step): void => {
    steps.push(step);
    onStep?.(step);
  };
  return child.run(order, { signal, onEvent });
}

async function failureOf(order: Order): Promise<EngineError> {
  const error: unknown = await run(order).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(EngineError);
  return error as EngineError;
}

async function listen(): Promise<Server> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

/** Waits for a connection; its answer settles when the process that holds it is gone. */
async function endOfPeer(server: Server): Promise<{ promise: Promise<unknown> }> {
  const [socket] = (await once(server, 'connection')) as [Socket];
  // A killed process may reset the connection instead of closing it: both are its end.
  return { promise: once(socket.on('error', () => {}).resume(), 'close') };
}

/** Whether a child of ours is there. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

beforeEach(() => {
  said = [];
  timers = [];
  steps = [];
  child = new Child(SCRIPT, {
    say: (words) => said.push(words),
    after: (ms, act) => {
      const timer = { ms, act, cancelled: false };
      timers.push(timer);
      return () => {
        timer.cancelled = true;
      };
    },
  });
});
afterEach(() => child.stop());

describe('requests', () => {
  it('are answered after their events, by one child as long as it lives', async () => {
    const first = await run({ do: 'answer', steps: 3 });
    expect(first.result).toBe('answered');
    expect(first.loadMs).toBeGreaterThan(0);
    expect(child.warm).toBe(true);
    expect((await run({ do: 'answer', steps: 1 })).loadMs).toBe(0);
    expect(steps.map(({ step }) => step)).toEqual([0, 1, 2, 3, 0, 1]);
    expect(new Set(steps.map(({ pid }) => pid)).size).toBe(1);
  });

  it('start a new child after a stop', async () => {
    await run({ do: 'answer', steps: 1 });
    await child.stop();
    expect([child.warm, isAlive(steps[0]!.pid)]).toEqual([false, false]);
    expect((await run({ do: 'answer', steps: 1 })).loadMs).toBeGreaterThan(0);
  });

  it('are not disturbed by signals meant for the agent', async () => {
    await run({ do: 'answer', steps: 1 });
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.kill(steps[0]!.pid, signal);
    }
    expect((await run({ do: 'answer', steps: 1 })).loadMs).toBe(0);
  });

  it('see nothing of the environment of the agent, where its token is', async () => {
    expect((await run({ do: 'look' })).result).toBe('');
  });
});

describe('an abort', () => {
  it('kills a busy child at once and delivers no event after it', async () => {
    const server = await listen();
    const controller = new AbortController();
    const reason = new Error('cancelled');
    const onStep = ({ step }: Step): void => {
      if (step === 3) controller.abort(reason);
    };
    const order = { do: 'work', port: portOf(server) } as const;
    await expect(run(order, { signal: controller.signal, onStep })).rejects.toBe(reason);
    expect(steps.at(-1)?.step).toBe(3);
    expect([child.warm, isAlive(steps[0]!.pid)]).toEqual([false, false]);
    server.close();
  });

  it('before the start starts nothing', async () => {
    const reason = new Error('gone');
    const signal = AbortSignal.abort(reason);
    await expect(run({ do: 'answer', steps: 1 }, { signal })).rejects.toBe(reason);
    expect(steps).toEqual([]);
  });
});

describe('a failure', () => {
  it.each([
    ['SIGSEGV', 'job_failed', 'Segmentation fault'],
    ['SIGABRT', 'job_failed', 'an assertion of the library'],
    ['SIGABRT', 'engine_out_of_memory', 'FATAL ERROR: JavaScript heap out of memory'],
    ['SIGKILL', 'engine_out_of_memory', 'said before'],
  ] as const)('by %s is a retryable %s with its words', async (signal, code, words) => {
    const error = await failureOf({ do: 'kill', signal, words });
    expect(error).toMatchObject({ code, retryable: true });
    expect(error.message).toContain(`killed by ${signal}`);
    expect(error.message).toContain(words);
    expect(said).toEqual([words]);
    expect(child.warm).toBe(false);
  });

  it('by its exit names the code, and the next request runs', async () => {
    const error = await failureOf({ do: 'exit', code: 3, words: 'gave up' });
    expect(error).toMatchObject({ code: 'job_failed', retryable: true });
    expect(error.message).toContain('exit code 3\ngave up');
    expect((await run({ do: 'answer', steps: 1 })).result).toBe('answered');
  });

  it('by a fault in the work would come again, and is not retried', async () => {
    const error = await failureOf({ do: 'throw', detail: 'no such colour' });
    expect(error).toMatchObject({ code: 'job_failed', retryable: false });
    expect(error.message).toContain('no such colour');
    expect(child.warm).toBe(false);
  });

  it('for want of a buffer is out of memory', async () => {
    const error = await failureOf({ do: 'overflow' });
    expect(error).toMatchObject({ code: 'engine_out_of_memory', retryable: true });
  });

  it('is told in bounded words', async () => {
    const error = await failureOf({ do: 'exit', code: 1, words: 'x'.repeat(60_000) });
    expect(error.message.length).toBeLessThanOrEqual(900);
    expect(said.join('').length).toBe(4000);
  });

  it('by a stop while it runs is told as such', async () => {
    const server = await listen();
    const onStep = ({ step }: Step): void => {
      if (step === 1) void child.stop();
    };
    const order = { do: 'work', port: portOf(server) } as const;
    const error: unknown = await run(order, { onStep }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'job_failed', retryable: true });
    expect((error as Error).message).toContain('stopped by the agent');
    server.close();
  });

  it('between requests only makes the next one start a new child', async () => {
    await run({ do: 'answer', steps: 1 });
    process.kill(steps[0]!.pid, 'SIGKILL');
    await expect.poll(() => child.warm).toBe(false);
    expect((await run({ do: 'answer', steps: 1 })).loadMs).toBeGreaterThan(0);
  });
});

describe('idleness', () => {
  it('ends the child after a while, until the next request', async () => {
    await run({ do: 'answer', steps: 1 });
    expect(timers).toMatchObject([{ ms: IDLE_MS, cancelled: false }]);
    timers[0]!.act();
    expect(child.warm).toBe(false);
    await expect.poll(() => isAlive(steps[0]!.pid)).toBe(false);
    expect((await run({ do: 'answer', steps: 1 })).loadMs).toBeGreaterThan(0);
  });

  it('does not keep the agent up', async () => {
    const order: Order = { do: 'answer', steps: 0 };
    const parent = spawn(process.execPath, [PARENT, JSON.stringify(order)], { stdio: 'ignore' });
    expect(await once(parent, 'exit')).toEqual([0, null]);
  });

  it('is over when a request comes', async () => {
    await run({ do: 'answer', steps: 1 });
    const again = run({ do: 'answer', steps: 1 });
    expect(timers).toMatchObject([{ cancelled: true }]);
    await again;
    expect(timers).toMatchObject([{ cancelled: true }, { cancelled: false }]);
  });
});

describe('the end of the agent by SIGKILL', () => {
  it('ends a child in the midst of its work', async () => {
    const server = await listen();
    const order: Order = { do: 'work', port: portOf(server) };
    const parent = spawn(process.execPath, [PARENT, JSON.stringify(order)], { stdio: 'ignore' });
    const gone = await endOfPeer(server);
    parent.kill('SIGKILL');
    await gone.promise;
    server.close();
  });

  it('ends an idle child', async () => {
    const server = await listen();
    const order: Order = { do: 'connect', port: portOf(server) };
    const parent = spawn(process.execPath, [PARENT, JSON.stringify(order), 'wait'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [gone] = await Promise.all([endOfPeer(server), once(parent.stdout, 'data')]);
    parent.kill('SIGKILL');
    await gone.promise;
    server.close();
  });
});
