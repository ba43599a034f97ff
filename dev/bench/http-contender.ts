/**
 * A contender behind HTTP: the same 16 agents on kept-alive connections for Tessera and for each
 * peer. An agent holds one job, completes it at once, and asks for the next in the same request;
 * only when there is none does it park a request of its own.
 */
import { Pool } from 'undici';
import { CallError } from '../api.ts';
import { AGENTS, type Contender } from './contender.ts';

/** Requests of one service, by its own paths. */
export interface Wire<Lease> {
  submit(post: Post, count: number): Promise<void>;
  /** Parks until there is a job or the poll is over. */
  acquire(post: Post, agent: number): Promise<Lease | null>;
  /** Acknowledged when the end is durable; may bring the next job. */
  complete(post: Post, agent: number, lease: Lease): Promise<Lease | null>;
  /** Cuts connections of its own. */
  close?(): Promise<void>;
}

/** One JSON request; rejects unless the answer is 2xx. */
export type Post = (path: string, body: unknown, bearer?: string) => Promise<unknown>;

const SUBMITS_MAX = 64;

export class HttpContender<Lease> implements Contender {
  readonly system: string;
  readonly mode = 'http' as const;
  readonly durability: string;
  readonly settle: () => Promise<void>;
  readonly #wire: Wire<Lease>;
  readonly #submits: Post;
  readonly #pools: Pool[];
  readonly #end: () => Promise<void>;
  readonly #agents: Promise<unknown>;
  #listener = () => {};
  #stopped = false;

  constructor(options: {
    system: string;
    durability: string;
    url: string;
    wire: Wire<Lease>;
    settle: () => Promise<void>;
    /** Stops what answers. */
    end: () => Promise<void>;
  }) {
    const { system, durability, url, wire, settle, end } = options;
    this.settle = settle;
    this.system = system;
    this.durability = durability;
    this.#wire = wire;
    this.#end = end;
    const open = (connections: number) =>
      new Pool(url, { connections, headersTimeout: 0, bodyTimeout: 0, pipelining: 1 });
    const [submits, polls] = [open(SUBMITS_MAX), open(AGENTS)];
    this.#pools = [submits, polls];
    this.#submits = makePost(submits);
    const post = makePost(polls);
    this.#agents = Promise.all(
      Array.from({ length: AGENTS }, (_, agent) => this.#runAgent(post, agent)),
    );
    // Looked at in stop(); a failure before shows as jobs that never end.
    this.#agents.catch(() => {});
  }

  submit(count: number): Promise<void> {
    return this.#wire.submit(this.#submits, count);
  }

  onEnd(listener: () => void): void {
    this.#listener = listener;
  }

  /** The same service and agents under another name, with submits of another kind. */
  variant(system: string, submit: (post: Post, count: number) => Promise<void>): Contender {
    const { mode, durability } = this;
    return {
      system,
      mode,
      durability,
      submit: (count) => submit(this.#submits, count),
      onEnd: (listener) => this.onEnd(listener),
      settle: this.settle,
      stop: () => Promise.resolve(),
    };
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all([...this.#pools.map((pool) => pool.destroy()), this.#wire.close?.()]);
    await this.#agents;
    await this.#end();
  }

  async #runAgent(post: Post, agent: number): Promise<void> {
    let lease: Lease | null = null;
    while (!this.#stopped) {
      try {
        if (lease === null) {
          lease = await this.#wire.acquire(post, agent);
          continue;
        }
        lease = await this.#wire.complete(post, agent, lease);
        this.#listener();
      } catch (error) {
        if (this.#stopped) return;
        process.stderr.write(`${this.system}, agent ${agent}: ${String(error)}\n`);
        throw error;
      }
    }
  }
}

/** JSON requests on these connections. */
export function makePost(pool: Pool): Post {
  return async (path, body, bearer) => {
    const answer = await pool.request({
      method: 'POST',
      path,
      headers: {
        'content-type': 'application/json',
        ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
      },
      body: JSON.stringify(body),
    });
    if (answer.statusCode < 300) return answer.body.json();
    throw new CallError(path, answer.statusCode, await answer.body.text());
  };
}
