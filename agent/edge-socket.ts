/**
 * One WebSocket to the edge for the calls that come with every job (schema/agent-socket.ts). A
 * faster way beside HTTPS: opened in the background, never waited for, and given up at the first
 * doubt; whoever calls then goes by HTTPS. It carries nothing before the edge has answered a ping:
 * a proxy may open a socket and pass nothing on. A call that was under way when the socket broke
 * has no answer, as with a request that was cut, and is repeated by the session.
 */
import type { Socket } from 'node:net';
import { Agent, buildConnector, WebSocket } from 'undici';
import type { Clock } from './clock.ts';
import { backoffMs } from './session/pace.ts';
import { PING, PONG, SOCKET_PATH, SocketAnswer } from '#schema/agent-socket.ts';
import { POLL_MARGIN_MS } from '#schema/limits.ts';
import { ANSWER_BYTES_MAX, CALL_MS_MAX, SOCKET_PING_MS, SOCKET_RETRY_MS_MAX } from './limits.ts';
import type { CallFailure, Request, Verb } from './session/state.ts';

export interface SocketOptions {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly clock: Clock;
  readonly onChange: (news: SocketNews, detail: string) => void;
}

/** It is open; it is no longer; none can be opened, which is told once until one opens. */
export type SocketNews = 'open' | 'close' | 'mute';

/** What came of a call: its unread answer, or why there is none. */
export type SocketResult = { readonly answer: unknown } | { readonly failure: CallFailure };

export interface SocketLimits {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

interface Waiting {
  readonly settle: (result: SocketResult) => void;
}

/** The verbs that a socket carries. */
const VERBS: ReadonlySet<Verb> = new Set([
  'acquire',
  'control',
  'renew',
  'complete',
  'fail',
  'return',
]);

/** See above. */
export class EdgeSocket {
  readonly #options: SocketOptions;
  readonly #waiting = new Map<number, Waiting>();
  readonly #connector = buildConnector({ allowH2: false });
  /** Of sockets alone, so that their connections are known. */
  readonly #dispatcher = new Agent({
    headersTimeout: CALL_MS_MAX,
    connect: (options, done) =>
      this.#connector(options, (...result) => {
        this.#connection = result[1];
        done(...result);
      }),
  });
  #socket: WebSocket | null = null;
  #connection: Socket | null = null;
  #open = false;
  #closed = false;
  #failures = 0;
  #notBefore = 0;
  #lastId = 0;
  #cancelLook = () => {};
  #heardAt = 0;

  constructor(options: SocketOptions) {
    this.#options = options;
  }

  /** Whether this call may come by the socket now; begins to open one if there is none. */
  carries(verb: Verb): boolean {
    if (!VERBS.has(verb)) return false;
    if (!this.#open) this.#connect();
    return this.#open;
  }

  /** Sends a call. A parked poll is ended by us when its time is over, so that no job is lost. */
  call({ verb, body }: Request, { timeoutMs, signal }: SocketLimits): Promise<SocketResult> {
    const id = ++this.#lastId;
    const { promise, resolve } = Promise.withResolvers<SocketResult>();
    const { clock } = this.#options;
    const cancels: (() => void)[] = [];
    const onAbort = () => {
      this.#send({ id, verb: 'end' });
      settle({
        failure: { reason: 'aborted', detail: 'given up by the agent', retryAfterMs: null },
      });
    };
    const settle = (result: SocketResult) => {
      this.#waiting.delete(id);
      for (const cancel of cancels) cancel();
      signal.removeEventListener('abort', onAbort);
      resolve(result);
    };
    this.#waiting.set(id, { settle });
    signal.addEventListener('abort', onAbort, { once: true });
    cancels.push(clock.after(timeoutMs, () => this.#break(`no answer within ${timeoutMs} ms`)));
    if ('waitMs' in body) {
      const parkedMs = body.waitMs + POLL_MARGIN_MS;
      cancels.push(clock.after(parkedMs, () => this.#send({ id, verb: 'end' })));
    }
    this.#send({ id, verb, body });
    return promise;
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#break('the agent stops');
    return this.#dispatcher.destroy();
  }

  #connect(): void {
    if (this.#socket || this.#closed || this.#options.clock.now() < this.#notBefore) return;
    const { url, headers } = this.#options;
    const target = new URL(SOCKET_PATH, url);
    target.protocol = url.protocol === 'http:' ? 'ws:' : 'wss:';
    const socket = new WebSocket(target, {
      headers: { ...headers },
      dispatcher: this.#dispatcher,
    });
    this.#socket = socket;
    const ifCurrent = (act: () => void) => () => {
      if (this.#socket === socket) act();
    };
    socket.addEventListener(
      'open',
      ifCurrent(() => this.#onOpen()),
    );
    socket.addEventListener(
      'close',
      ifCurrent(() => this.#break('the socket was closed')),
    );
    socket.addEventListener(
      'error',
      ifCurrent(() => this.#break('the socket failed')),
    );
    socket.addEventListener('message', ({ data }) => {
      if (this.#socket === socket) this.#onMessage(data);
    });
  }

  #onOpen(): void {
    this.#socket?.send(PING);
    const late = () => this.#break('the socket is silent');
    this.#cancelLook = this.#options.clock.after(CALL_MS_MAX, late);
  }

  /** The edge is there. */
  #onPong(): void {
    if (this.#open) return;
    this.#open = true;
    this.#failures = 0;
    this.#cancelLook();
    this.#lookLater();
    this.#options.onChange('open', '');
  }

  #lookLater(): void {
    this.#cancelLook = this.#options.clock.after(SOCKET_PING_MS, () => this.#look());
  }

  /** Asks whether the other side is there, and gives up when it has not said so. */
  #look(): void {
    if (this.#options.clock.now() - this.#heardAt > SOCKET_PING_MS + CALL_MS_MAX) {
      this.#break('the socket is silent');
    } else {
      this.#socket?.send(PING);
      this.#lookLater();
    }
  }

  #onMessage(data: unknown): void {
    this.#heardAt = this.#options.clock.now();
    if (data === PONG) {
      this.#onPong();
      return;
    }
    const parsed = SocketAnswer.safeParse(parse(data));
    if (!parsed.success) {
      this.#break('the edge sent what is no answer');
      return;
    }
    const waiting = this.#waiting.get(parsed.data.id);
    if ('error' in parsed.data) {
      const { code, message } = parsed.data.error;
      const detail = `${code}: ${message}`;
      waiting?.settle({ failure: { reason: 'refused', code, detail, retryAfterMs: null } });
    } else {
      waiting?.settle({ answer: parsed.data.answer });
    }
  }

  #send(message: object): void {
    if (this.#open) this.#socket?.send(JSON.stringify(message));
  }

  /** Ends the socket and every call on it; another is opened later. */
  #break(detail: string): void {
    const socket = this.#socket;
    if (this.#open) this.#options.onChange('close', detail);
    // All goes by requests meanwhile, which is slower.
    else if (this.#failures === 0 && !this.#closed) this.#options.onChange('mute', detail);
    this.#socket = null;
    this.#open = false;
    this.#cancelLook();
    this.#failures += 1;
    this.#notBefore =
      this.#options.clock.now() + backoffMs(this.#failures, Math.random(), SOCKET_RETRY_MS_MAX);
    socket?.close();
    // Whoever does not answer may not answer that it is closed either.
    this.#connection?.destroySoon();
    this.#connection = null;
    for (const { settle } of [...this.#waiting.values()]) {
      settle({ failure: { reason: 'unreachable', detail, retryAfterMs: null } });
    }
  }
}

function parse(data: unknown): unknown {
  if (typeof data !== 'string' || data.length > ANSWER_BYTES_MAX) return null;
  try {
    return JSON.parse(data);
  } catch {
    // The schema refuses it.
    return null;
  }
}
