/**
 * ComfyUI's WebSocket: hints of how a prompt goes. Stays open between jobs, so that a server that
 * goes away is noticed; opened anew by `ensure`, never by itself. While it is closed everything
 * still works by history alone, without progress.
 */
import { WebSocket } from 'undici';
import type { Dispatcher } from 'undici';
import { readBinary, readText } from './frame.ts';
import type { ComfyEvent } from './frame.ts';
import { FRAME_BYTES_MAX } from './limits.ts';

/** Asks for previews that name their prompt. */
const HELLO = JSON.stringify({
  type: 'feature_flags',
  data: { supports_preview_metadata: true },
});

export interface SocketParts {
  readonly url: URL;
  readonly clientId: string;
  readonly dispatcher: Dispatcher;
  readonly onClosed: () => void;
}

export class ComfySocket {
  readonly #parts: SocketParts;
  #socket: WebSocket | null = null;
  #onEvent: (event: ComfyEvent) => void = () => {};

  constructor(parts: SocketParts) {
    this.#parts = parts;
  }

  get open(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Who hears of events from now on. */
  listen(onEvent: (event: ComfyEvent) => void): void {
    this.#onEvent = onEvent;
  }

  /** Opens it unless it is open; false when that failed or took too long. */
  async ensure(signal: AbortSignal, ms: number): Promise<boolean> {
    if (this.open) return true;
    if (signal.aborted) return false;
    this.close();
    const { clientId, dispatcher } = this.#parts;
    const url = new URL(`/ws?clientId=${clientId}`, this.#parts.url);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(url, { dispatcher });
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    const settled = Promise.withResolvers<boolean>();
    socket.addEventListener('open', () => {
      socket.send(HELLO);
      settled.resolve(true);
    });
    socket.addEventListener('message', ({ data }) => this.#take(data));
    // An error is followed by a close.
    socket.addEventListener('error', () => settled.resolve(false));
    socket.addEventListener('close', () => {
      settled.resolve(false);
      if (this.#socket !== socket) return;
      this.#socket = null;
      this.#parts.onClosed();
    });
    const within = AbortSignal.any([signal, AbortSignal.timeout(ms)]);
    const onAbort = (): void => settled.resolve(false);
    within.addEventListener('abort', onAbort, { once: true });
    const opened = await settled.promise;
    within.removeEventListener('abort', onAbort);
    if (!opened) this.close();
    return opened;
  }

  /** Closes it on our side; `onClosed` is not called. */
  close(): void {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #take(data: unknown): void {
    if (typeof data === 'string') {
      if (data.length > FRAME_BYTES_MAX) return;
      const event = readText(data);
      if (event) this.#onEvent(event);
    } else if (data instanceof ArrayBuffer) {
      if (data.byteLength > FRAME_BYTES_MAX) return;
      const event = readBinary(new Uint8Array(data));
      if (event) this.#onEvent(event);
    }
  }
}
