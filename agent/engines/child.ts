/**
 * A child process that runs one request at a time for an engine, so that its memory goes back to
 * the system with it. Started by a request; killed by an abort, by `stop`, after a failure, and
 * when it was idle for a while, so that even a busy loop in it ends within milliseconds. After a
 * run has settled, no event of it is delivered, and after an abort the child is gone.
 * `serve` is its other side. It gets none of the agent's environment: there is a token in it.
 */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import { basename, dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assert } from '#schema/assert.ts';
import { BUNDLE } from '../bundle.ts';
import { EngineError } from './engine.ts';
import type { Message, Reply } from './serve.ts';

/** A visitor's next job comes within this time and finds its engine loaded (100 to 500 ms). */
export const IDLE_MS = 60_000;
/** First argument of the one-file build when it is to be a child. */
export const CHILD_ARGUMENT = 'engine-child';
/** Of what a child writes to its standard error in one run; a fault is told in its first lines. */
const WORDS_CHARS_MAX = 4000;
/** The start of it that goes into an error's detail; a log's field holds no more. */
const DETAIL_CHARS_MAX = 900;

export interface ChildOptions {
  /** Takes what a child writes to its standard error. */
  readonly say?: (words: string) => void;
  /** Calls `act` once after `ms`, without keeping the process up; the answer cancels it. */
  readonly after?: (ms: number, act: () => void) => () => void;
}

interface Run<E> {
  readonly signal: AbortSignal;
  readonly onEvent: (event: E) => void;
  /** Told once when it had to be started and has loaded what it needs. */
  readonly onReady?: (loadMs: number) => void;
}

/** A started process and what is known of it. */
interface Life {
  readonly process: ChildProcess;
  /** Settles when it is gone and has said its last. */
  readonly over: Promise<void>;
  /** Told the same, for the run of now. */
  onOver: () => void;
  /** The start of what it wrote to its standard error since the run began. */
  words: string;
  /** Why it ended, when that was not its own doing. */
  cause: string | null;
}

function afterUnref(ms: number, act: () => void): () => void {
  const timer = setTimeout(act, ms).unref();
  return () => clearTimeout(timer);
}

export class Child<Q extends object, E, R> {
  readonly #path: string;
  readonly #say: (words: string) => void;
  readonly #after: NonNullable<ChildOptions['after']>;
  #life: Life | null = null;
  #busy = false;
  #ready = false;
  #cancelIdle = () => {};

  constructor(url: URL, { say = () => {}, after = afterUnref }: ChildOptions = {}) {
    this.#path = fileURLToPath(url);
    this.#say = say;
    this.#after = after;
  }

  /** Whether the child is up and has loaded what it needs. */
  get warm(): boolean {
    return this.#ready;
  }

  /** Runs a request; rejects with the signal's reason or an `EngineError`. */
  async run(
    request: Q,
    { signal, onEvent, onReady }: Run<E>,
  ): Promise<{ result: R; loadMs: number }> {
    signal.throwIfAborted();
    assert(!this.#busy, 'a child runs one request at a time');
    this.#busy = true;
    this.#cancelIdle();
    const startedAt = performance.now();
    let loadMs = 0;
    let settled = false;
    const ended = Promise.withResolvers<R>();
    const end = (settle: () => void): void => {
      settled = true;
      settle();
    };
    const abort = (): void => end(() => ended.reject(signal.reason as Error));
    const take = (reply: Reply<E, R>): void => {
      if (settled) return;
      if (reply.kind === 'ready') {
        this.#ready = true;
        loadMs = Math.round(performance.now() - startedAt);
        onReady?.(loadMs);
      } else if (reply.kind === 'event') onEvent(reply.event);
      else if (reply.kind === 'done') end(() => ended.resolve(reply.result));
      else end(() => ended.reject(toRefusal(reply)));
    };
    signal.addEventListener('abort', abort);
    let life: Life | null = null;
    try {
      life = this.#life ?? this.#start();
      const { process } = life;
      life.words = '';
      life.onOver = () => end(() => ended.reject(toCrash(life!)));
      process.on('message', take);
      hold(process);
      // A write fails only when the child is gone, which `onOver` tells.
      process.send({ request } satisfies Message<Q>, () => {});
      const result = await ended.promise;
      release(process);
      this.#cancelIdle = this.#after(IDLE_MS, () => void this.stop());
      return { result, loadMs };
    } catch (error) {
      await this.stop();
      await life?.over;
      throw error;
    } finally {
      signal.removeEventListener('abort', abort);
      life?.process.off('message', take);
      if (life) life.onOver = () => {};
      this.#busy = false;
    }
  }

  /** One job of the request that runs is not wanted any more; the others go on. */
  drop(job: number): void {
    this.#life?.process.send({ drop: job } satisfies Message<Q>, () => {});
  }

  /** Kills the child; it is gone when this settles. */
  async stop(): Promise<void> {
    const life = this.#life;
    if (!life) return;
    this.#forget(life);
    life.cause = 'stopped by the agent';
    hold(life.process);
    life.process.kill('SIGKILL');
    await life.over;
  }

  #start(): Life {
    const process = startProcess(this.#path);
    const over = Promise.withResolvers<void>();
    const life: Life = { process, over: over.promise, onOver: () => {}, words: '', cause: null };
    const leave = (): void => {
      over.resolve();
      life.onOver();
    };
    process.once('exit', () => this.#forget(life));
    process.once('close', leave);
    process.on('error', (error) => {
      life.cause ??= String(error);
      this.#forget(life);
      // It never came up: nothing more will be heard of it.
      if (process.pid === undefined) leave();
    });
    process.stderr!.setEncoding('utf8').on('data', (words: string) => {
      const heard = words.slice(0, WORDS_CHARS_MAX - life.words.length);
      life.words += heard;
      if (heard.trim() !== '') this.#say(heard.trim());
    });
    this.#life = life;
    return life;
  }

  /** From now on, the next request starts a new process. */
  #forget(life: Life): void {
    if (this.#life !== life) return;
    this.#cancelIdle();
    this.#life = null;
    this.#ready = false;
  }
}

function startProcess(path: string): ChildProcess {
  try {
    // In the one-file build the same file is every child too; it is told by its folder which.
    const [script, args] = BUNDLE
      ? [fileURLToPath(import.meta.url), [CHILD_ARGUMENT, basename(dirname(path))]]
      : [path, []];
    return fork(script, args, {
      // WASI announces itself as experimental; its version is pinned by `engines`.
      execArgv: ['--disable-warning=ExperimentalWarning'],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: {},
      // In a group of its own, a terminal's Ctrl-C does not reach it even before it listens.
      detached: true,
    });
  } catch (error) {
    throw new EngineError({ code: 'engine_unavailable', retryable: true, detail: String(error) });
  }
}

function hold(process: ChildProcess): void {
  process.ref();
  process.channel?.ref();
  (process.stderr as Socket).ref();
}

/** An idle child does not keep the agent up. */
function release(process: ChildProcess): void {
  process.unref();
  process.channel?.unref();
  (process.stderr as Socket).unref();
}

/** What V8 and libc write when they end the process for want of memory. */
const OUT_OF_MEMORY = /out of memory|bad_alloc/i;

/** A child that ended by itself: a crash, which another attempt may not meet. */
function toCrash({ process, words, cause }: Life): EngineError {
  const { signalCode, exitCode } = process;
  // A guess, and told as one: the kernel kills so when memory runs out.
  const guess = signalCode === 'SIGKILL' ? ', as the kernel does when memory runs out' : '';
  const end = cause ?? (signalCode ? `killed by ${signalCode}${guess}` : `exit code ${exitCode}`);
  const detail = `the engine's process ended: ${end}\n${words}`.trim().slice(0, DETAIL_CHARS_MAX);
  const starved = cause === null && (signalCode === 'SIGKILL' || OUT_OF_MEMORY.test(words));
  return new EngineError({
    code: starved ? 'engine_out_of_memory' : 'job_failed',
    retryable: true,
    detail,
  });
}

function toRefusal(reply: Extract<Reply<never, never>, { kind: 'failed' }>): EngineError {
  const { outOfMemory, detail } = reply;
  return outOfMemory
    ? new EngineError({ code: 'engine_out_of_memory', retryable: true, detail })
    : new EngineError({ code: 'job_failed', retryable: false, detail });
}
