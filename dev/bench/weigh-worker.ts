/**
 * A Worker that holds a pool's state and nothing else, so that its heap can be weighed from
 * outside in workerd itself, where pointers take four bytes and not the eight of node.
 */
import { CorePool, fillPool } from './core-pool.ts';

let held: CorePool | null = null;

const worker = {
  /** POST /N: from now on it holds N waiting jobs; 0 holds none. A GET changes nothing. */
  fetch(request: Request): Response {
    if (request.method === 'GET') return Response.json({ waiting: held?.state.jobs.size ?? 0 });
    const waiting = Number(new URL(request.url).pathname.slice(1));
    held = null;
    if (waiting > 0) held = fillPool(waiting);
    return Response.json({ waiting: held?.state.jobs.size ?? 0 });
  },
};

// oxlint-disable-next-line import/no-default-export -- workerd takes the entry by this name
export default worker;
