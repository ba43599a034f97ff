/** A child that does what a test says: answers, works on and on, or ends badly. */
import { connect } from 'node:net';
import { env } from 'node:process';
import { serve } from '../serve.ts';

export type Order =
  | { readonly do: 'answer'; readonly steps: number }
  /** Stays connected to `port` as long as it lives. */
  | { readonly do: 'connect'; readonly port: number }
  /** The same, and works without an end. */
  | { readonly do: 'work'; readonly port: number }
  /** Answers with the names of what is in its environment. */
  | { readonly do: 'look' }
  | { readonly do: 'throw'; readonly detail: string }
  | { readonly do: 'overflow' }
  | { readonly do: 'kill'; readonly signal: NodeJS.Signals; readonly words: string }
  | { readonly do: 'exit'; readonly code: number; readonly words: string };

/** A step's number, or the child's process id before the first. */
export interface Step {
  readonly pid: number;
  readonly step: number;
}

const STEP_MS = 20;

function work(): void {
  const until = performance.now() + STEP_MS;
  while (performance.now() < until);
}

serve<Order, Step, string>({
  load: () => Promise.resolve(),
  handle: async (order, emit) => {
    const { pid } = process;
    await emit({ pid, step: 0 });
    switch (order.do) {
      case 'answer':
        for (let step = 1; step <= order.steps; step++) await emit({ pid, step });
        return 'answered';
      case 'connect':
        connect(order.port, '127.0.0.1');
        return 'answered';
      case 'look':
        return Object.keys(env).join(' ');
      case 'work':
        connect(order.port, '127.0.0.1');
        for (let step = 1; ; step++) {
          work();
          await emit({ pid, step });
        }
      case 'throw':
        throw new Error(order.detail);
      case 'overflow':
        return String(new ArrayBuffer(Number.MAX_SAFE_INTEGER).byteLength);
      case 'kill':
        process.stderr.write(order.words);
        process.kill(pid, order.signal);
        return new Promise(() => {});
      case 'exit':
        process.stderr.write(order.words);
        process.exit(order.code);
    }
  },
});
