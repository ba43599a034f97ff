/**
 * A client of the public API in a benchmark: requests on kept-alive connections, any answer told
 * as it came, and a connection that can be cut, before the answer or in the middle of it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';

export interface Ask {
  readonly method?: 'GET' | 'POST';
  readonly bearer: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Cuts the connection: so long after the request, ms, or once the answer begins. */
  readonly cut?: number | 'at_answer';
}

export interface Answer {
  readonly status: number;
  /** Seconds after which to come again, when the answer says so. */
  readonly retryAfterS: number | null;
  /** Requests that may follow at once, where the route is limited. */
  readonly remaining: number | null;
  readonly body: unknown;
}

/** Rejects when the connection breaks, and so whenever it was cut before the whole answer. */
export class Client {
  readonly #pool: Pool;

  /** `connections`: requests under way at once. */
  constructor(url: string, connections: number) {
    this.#pool = new Pool(url, { connections, pipelining: 1 });
  }

  async ask(path: string, options: Ask): Promise<Answer> {
    const { method = 'GET', bearer, body, headers, cut } = options;
    const cutter = new AbortController();
    const timer = typeof cut === 'number' ? setTimeout(() => cutter.abort(), cut) : null;
    try {
      const answer = await this.#pool.request({
        method,
        path,
        headers: {
          authorization: `Bearer ${bearer}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: cutter.signal,
      });
      if (cut === 'at_answer') cutter.abort();
      const text = await answer.body.text();
      return {
        status: answer.statusCode,
        retryAfterS: toNumber(answer.headers['retry-after']),
        remaining: toNumber(answer.headers['ratelimit-remaining']),
        body: text === '' ? null : JSON.parse(text),
      };
    } finally {
      if (timer !== null) clearTimeout(timer);
    }
  }

  /** The same until it is not refused for coming too often; other refusals are the answer. */
  async insist(path: string, options: Ask): Promise<Answer> {
    for (;;) {
      const answer = await this.ask(path, options);
      if (answer.status !== 429) return answer;
      await sleep((answer.retryAfterS ?? 1) * 1000);
    }
  }

  close(): Promise<void> {
    return this.#pool.destroy();
  }
}

function toNumber(header: string | readonly string[] | undefined): number | null {
  return typeof header === 'string' ? Number(header) : null;
}
