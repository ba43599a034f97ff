/**
 * One prompt on a ComfyUI server, from its submit to its entry in the history. Events of the
 * socket only wake it: what is true is asked of the server, on a beat and after each hint.
 *   submitting -> pending | running -> over        the history has an entry, however it ended
 *   any -> stopping -> over                        aborted, stalled: taken out or interrupted, and
 *                                                  waited for, within a limit
 *   any -> lost                                    the process went away, or forgot the prompt
 * The id is ours from before the submit, so that a lost answer is looked up, never sent again.
 */
import { ends, fromRefusal } from './failure.ts';
import type { ComfyEvent, HistoryEntry } from './frame.ts';
import type { Pace } from './limits.ts';
import { ServerAway } from './server.ts';
import type { ComfyServer, Graph } from './server.ts';
import type { ComfySocket } from './socket.ts';

export interface Order {
  readonly graph: Graph;
  /** A UUID that no prompt had before. */
  readonly promptId: string;
  readonly signal: AbortSignal;
  /** Events of this prompt. */
  readonly onEvent: (event: ComfyEvent) => void;
}

export interface ExecutionParts {
  readonly server: ComfyServer;
  readonly socket: ComfySocket;
  readonly clientId: string;
  readonly pace: Pace;
}

/** What is asked of the server when the job's own signal must not end the question. */
const NEVER = new AbortController().signal;

export class Execution {
  readonly #parts: ExecutionParts;
  readonly #order: Order;
  #wake = Promise.withResolvers<void>();
  #signAt = performance.now();
  #dropped = false;
  #opening = false;

  constructor(parts: ExecutionParts, order: Order) {
    this.#parts = parts;
    this.#order = order;
  }

  /** Resolves with the prompt's entry in the history; rejects with the failure or the abort. */
  async run(): Promise<HistoryEntry> {
    const { socket } = this.#parts;
    const { signal, promptId } = this.#order;
    signal.throwIfAborted();
    const onAbort = (): void => this.#wake.resolve();
    signal.addEventListener('abort', onAbort, { once: true });
    socket.listen((event) => this.#hear(event));
    try {
      await this.#open();
      signal.throwIfAborted();
      await this.#submit();
      return await this.#follow();
    } catch (error) {
      if (!(error instanceof ServerAway)) throw error;
      // One that answers badly may still run it.
      if (!error.gone) await this.#stop();
      throw ends.lost(`${promptId}: ${error.message}`);
    } finally {
      signal.removeEventListener('abort', onAbort);
      socket.listen(() => {});
    }
  }

  async #submit(): Promise<void> {
    const { server, clientId } = this.#parts;
    const { graph, promptId, signal } = this.#order;
    try {
      // Not ended by the job's signal: whether it was queued would not be known.
      const { status, answer } = await server.submit({ graph, promptId, clientId }, NEVER);
      const faults = Object.keys(answer?.node_errors ?? {}).length;
      if (status === 200 && answer && faults === 0) return;
      // Runs what is valid of it, unless it is stopped.
      if (status === 200) await this.#stop();
      throw fromRefusal(status, answer);
    } catch (error) {
      if (!(error instanceof ServerAway) || error.gone) throw error;
      if (signal.aborted) return;
      if ((await server.whereIs(promptId, NEVER)) !== 'nowhere') return;
      if (await server.history(promptId, NEVER)) return;
      throw error;
    }
  }

  async #follow(): Promise<HistoryEntry> {
    const { pace, socket } = this.#parts;
    const { signal } = this.#order;
    let awayAt: number | null = null;
    let place = '';
    for (;;) {
      if (signal.aborted) {
        await this.#stop();
        throw signal.reason;
      }
      try {
        const seen = await this.#look();
        awayAt = null;
        if (typeof seen !== 'string') return seen;
        if (seen !== place) this.#signAt = performance.now();
        place = seen;
      } catch (error) {
        if (!(error instanceof ServerAway)) throw error;
        awayAt ??= performance.now();
        if (error.gone || performance.now() - awayAt > pace.awayMs) throw error;
      }
      // Without a socket nothing is heard of a job that goes on: its own limit ends it.
      if (!socket.open) this.#signAt = performance.now();
      if (performance.now() - this.#signAt > pace.stallMs) {
        await this.#stop();
        throw place === 'pending'
          ? ends.lost('others keep the server busy')
          : ends.stalled(pace.stallMs);
      }
      await this.#pause(pace.pollMs);
      void this.#open();
    }
  }

  /** Its entry when it is over, else its place in the queue. */
  async #look(): Promise<HistoryEntry | 'running' | 'pending'> {
    const { server } = this.#parts;
    const { promptId } = this.#order;
    const entry = await server.history(promptId, NEVER);
    if (entry) return entry;
    const place = await server.whereIs(promptId, NEVER);
    if (place !== 'nowhere') return place;
    // It may have ended between the two questions; the server moves it in one step.
    const late = await server.history(promptId, NEVER);
    if (late) return late;
    throw this.#dropped
      ? ends.lost('the server was started again and knows the prompt no more')
      : ends.interrupted();
  }

  /** Stops it for good: until it is neither queued nor running, or cannot be waited for longer. */
  async #stop(): Promise<void> {
    const { server, pace } = this.#parts;
    const { promptId } = this.#order;
    const within = AbortSignal.timeout(pace.stopMs);
    try {
      do {
        await server.cancel(promptId, within);
        if ((await server.whereIs(promptId, within)) === 'nowhere') return;
        await this.#pause(pace.pollMs / 4);
      } while (!within.aborted);
    } catch {
      // Gone, or wedged: the agent has a limit of its own for that.
    }
  }

  /** Until an event may mean an end, or the beat. */
  async #pause(ms: number): Promise<void> {
    const timer = setTimeout(this.#wake.resolve, ms);
    await this.#wake.promise;
    clearTimeout(timer);
    this.#wake = Promise.withResolvers();
  }

  /** The socket anew, while the prompt goes on. */
  async #open(): Promise<void> {
    const { socket, pace } = this.#parts;
    if (socket.open || this.#opening) return;
    this.#opening = true;
    await socket.ensure(this.#order.signal, pace.callMs);
    this.#opening = false;
  }

  /** The socket closed. */
  drop(): void {
    this.#dropped = true;
    this.#wake.resolve();
  }

  #hear(event: ComfyEvent): void {
    const { promptId, onEvent } = this.#order;
    // Some name no prompt; they are of the one that this client runs.
    if (event.promptId !== null && event.promptId !== promptId) return;
    this.#signAt = performance.now();
    onEvent(event);
    if (event.kind === 'over' || (event.kind === 'node' && event.node === null)) {
      this.#wake.resolve();
    }
  }
}
