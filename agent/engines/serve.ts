/**
 * The child's side of `Child`: answers requests, one after the other, over the channel to the
 * agent. It loads nothing before the first request. It leaves when the agent is gone, however
 * that went; signals meant for the agent do not end it, since a draining agent still needs it.
 */
import { setImmediate } from 'node:timers/promises';
import { assert } from '#schema/assert.ts';

/** What a child tells the agent. */
export type Reply<E, R> =
  | { readonly kind: 'ready' }
  | { readonly kind: 'event'; readonly event: E }
  | { readonly kind: 'done'; readonly result: R }
  | { readonly kind: 'failed'; readonly outOfMemory: boolean; readonly detail: string };

/** What the agent tells a child: a request, or that one of the request's jobs is not wanted. */
export type Message<Q> = { readonly request: Q } | { readonly drop: number };

/** Sends an event. Await it between steps: only a loop that turns notices that the agent is gone. */
export type Emit<E> = (event: E) => Promise<void>;

interface Service<Q, E, R> {
  /** What the first request has to wait for. */
  readonly load: () => Promise<void>;
  /** `isDropped` tells of one of the request's jobs; it changes while events are awaited. */
  readonly handle: (request: Q, emit: Emit<E>, isDropped: (job: number) => boolean) => Promise<R>;
}

/** A buffer that cannot be had; what ends the process itself, the agent's side tells. */
const OUT_OF_MEMORY = /allocation failed|could not allocate memory/i;

function toFailure(error: unknown): Extract<Reply<never, never>, { kind: 'failed' }> {
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const outOfMemory = error instanceof RangeError && OUT_OF_MEMORY.test(error.message);
  return { kind: 'failed', outOfMemory, detail };
}

/** Answers requests until the agent is gone. */
export function serve<Q, E, R>({ load, handle }: Service<Q, E, R>): void {
  assert(process.send !== undefined, 'serve runs in a child with a channel');
  // A terminal's Ctrl-C and a supervisor's SIGTERM reach the whole group: the agent decides.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
  process.on('disconnect', () => process.exit());
  // The agent may have gone while this was loaded, before anyone listened.
  if (!process.connected) process.exit();
  const send = (reply: Reply<E, R>): void => {
    // A write that fails means that the agent is gone: `disconnect` follows.
    process.send!(reply, undefined, undefined, () => {});
  };
  const emit: Emit<E> = async (event) => {
    send({ kind: 'event', event });
    await setImmediate();
  };
  const dropped = new Set<number>();
  let loaded = false;
  const answer = async (request: Q): Promise<void> => {
    if (!loaded) await load();
    if (!loaded) send({ kind: 'ready' });
    loaded = true;
    const isDropped = (job: number): boolean => dropped.has(job);
    send({ kind: 'done', result: await handle(request, emit, isDropped) });
  };
  process.on('message', (message: Message<Q>) => {
    if ('drop' in message) {
      dropped.add(message.drop);
      return;
    }
    dropped.clear();
    answer(message.request).catch((error: unknown) => send(toFailure(error)));
  });
}
