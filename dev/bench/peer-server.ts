/**
 * Child process: a peer behind a minimal HTTP server of the same shape as Tessera's, without what
 * a service needs besides (keys, checks, limits, log). Each worker of the peer hands its job to
 * an agent's parked request and completes it when the agent says so.
 *
 *   POST /submit    {jobs}          acknowledged when they are durable
 *   POST /acquire                   long poll for a job
 *   POST /complete  {id}            acknowledged when the end is durable, with the next job
 */
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { startPeer, type Peer, type PeerJob, type PeerName, type PeerPlace } from './peer.ts';

/** What the benchmark passes as the only argument, as JSON. */
export interface PeerOrder {
  readonly peer: PeerName;
  readonly place: PeerPlace;
  readonly port: number;
}

const POLL_MS = 25_000;
/** A completion waits this long for the next job, so that a busy agent needs one request a job. */
const NEXT_MS = 50;

/** Jobs that workers hold, given to agents that ask. */
class Handoff {
  readonly #ready: PeerJob[] = [];
  readonly #asking = new Set<(job: PeerJob) => void>();
  readonly #finish = new Map<string, () => void>();
  readonly #ended = new Map<string, () => void>();

  /** Resolves when an agent has completed the job. */
  work(job: PeerJob): Promise<void> {
    const [ask] = this.#asking;
    if (ask === undefined) this.#ready.push(job);
    else ask(job);
    return new Promise((resolve) => this.#finish.set(job.id, resolve));
  }

  ended(id: string): void {
    this.#ended.get(id)?.();
    this.#ended.delete(id);
  }

  /** Resolves when the end is durable. */
  complete(id: string): Promise<void> {
    const durable = new Promise<void>((resolve) => this.#ended.set(id, resolve));
    this.#finish.get(id)?.();
    this.#finish.delete(id);
    return durable;
  }

  next(waitMs: number): Promise<PeerJob | null> {
    const job = this.#ready.shift();
    if (job !== undefined) return Promise.resolve(job);
    return new Promise((resolve) => {
      const timer = setTimeout(() => answer(null), waitMs);
      const answer = (given: PeerJob | null) => {
        clearTimeout(timer);
        this.#asking.delete(answer);
        resolve(given);
      };
      this.#asking.add(answer);
    });
  }
}

async function main({ peer: name, place, port }: PeerOrder): Promise<void> {
  const handoff = new Handoff();
  const peer: Peer = await startPeer(name, place, {
    work: (job) => handoff.work(job),
    ended: (id) => handoff.ended(id),
  });
  const app = new Hono()
    .post('/submit', async (c) => {
      const { jobs } = await c.req.json<{ jobs: object[] }>();
      await peer.add(jobs);
      return c.json({ accepted: jobs.length }, 202);
    })
    .post('/acquire', async (c) => c.json({ job: await handoff.next(POLL_MS) }))
    .post('/complete', async (c) => {
      const { id } = await c.req.json<{ id: string }>();
      await handoff.complete(id);
      return c.json({ next: await handoff.next(NEXT_MS) });
    });
  serve({ fetch: app.fetch, hostname: '127.0.0.1', port }, () => process.send?.({ ready: true }));
  process.on('SIGTERM', () => process.exit(0));
}

await main(JSON.parse(process.argv[2] ?? '') as PeerOrder);
