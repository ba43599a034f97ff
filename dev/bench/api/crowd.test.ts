import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import { ulid } from 'ulid';
import type { JobView } from '#schema/api.ts';
import { examine, type PastJob } from './book.ts';
import { Client } from './client.ts';
import { CLIENTS, fateOf, submitAll } from './crowd.ts';

let server: Server;
let client: Client;
/** What the service has made. */
let jobs: PastJob[];

afterEach(async () => {
  await client.close();
  server.closeAllConnections();
  server.close();
});

/** A service that takes jobs; its faults are to be found. */
async function serve({
  forgetsKeys = false,
  losesJobs = false,
  refuses = 0,
  isMute = false,
} = {}): Promise<void> {
  jobs = [];
  const byKey = new Map<string, string>();
  let refusalsLeft = refuses;
  let made = 0;
  server = createServer((request, response) => {
    void text(request).then((body) => {
      const answer = (status: number, value: object) => {
        const headers = { 'content-type': 'application/json', 'retry-after': '0' };
        response.writeHead(status, headers).end(JSON.stringify(value));
      };
      if (isMute) return;
      if (request.url?.endsWith('/cancel')) return answer(200, { result: 'cancelled' });
      if (refusalsLeft > 0) {
        refusalsLeft -= 1;
        return answer(429, { error: { code: 'rate_limited' } });
      }
      const key = String(request.headers['idempotency-key']);
      const known = forgetsKeys ? undefined : byKey.get(key);
      const id = known ?? `job_${ulid().toLowerCase()}_main`;
      if (known === undefined) {
        byKey.set(key, id);
        const { metadata } = JSON.parse(body) as { metadata: { key: string } };
        made += 1;
        if (!losesJobs || made % 10 !== 0) {
          jobs.push({ id, key: metadata.key, status: 'cancelled', isFinished: true });
        }
      }
      return answer(202, viewOf(id));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  client = new Client(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, CLIENTS);
}

function viewOf(id: string): JobView {
  const created_at = '2026-11-22T12:00:00.000Z';
  return {
    ...{ id, type: 'image', status: 'queued', sequence: 1, model: 'painter', created_at },
    ...{ started_at: null, finished_at: null, progress: null, queue: null, attempt: 0 },
    ...{ cost: { held: 0.1, settled: null }, cancel_requested: false, parameters: {} },
    ...{ metadata: {}, artifacts: [], error: null },
  };
}

/** The claims that do not hold of what the clients were told and the service has. */
async function findBroken(): Promise<{ claims: string[]; submits: number; refused: number }> {
  const { told, faults, count } = await submitAll(client, ['a', 'b'], { each: 1, run: 0 });
  const findings = examine({
    ...{ told, faults, jobs, ends: new Map(), balances: [] },
    entries: jobs.flatMap(({ id }) => [
      { jobId: id, kind: 'hold' as const, millitokens: 1 },
      { jobId: id, kind: 'release' as const, millitokens: 1 },
    ]),
  });
  const broken = findings.filter((finding) => finding.broken.length > 0);
  return {
    claims: broken.map(({ claim }) => claim),
    submits: told.length,
    refused: count.refused,
  };
}

describe('a crowd', () => {
  it('finds nothing wrong with a service that keeps its word', async () => {
    await serve();
    expect(await findBroken()).toEqual({ claims: [], submits: CLIENTS, refused: 0 });
    // Who gave up may have no job; all others have one.
    const gone = Array.from({ length: CLIENTS }, (_, n) => fateOf(n)).filter((it) => it === 'gone');
    expect(jobs.length).toBeGreaterThanOrEqual(CLIENTS - gone.length);
  });

  it('comes again when it is asked to wait', async () => {
    await serve({ refuses: 30 });
    const { claims, refused } = await findBroken();
    expect(claims).toEqual([]);
    // Of those that were cut off nobody heard.
    expect(refused).toBeGreaterThan(10);
  });

  it('finds out a service that forgets idempotency keys', async () => {
    await serve({ forgetsKeys: true });
    const { claims } = await findBroken();
    expect(claims).toEqual(['no idempotency key has two jobs, whether repeated or cut off']);
  });

  it('finds out a service that loses jobs it has acknowledged', async () => {
    await serve({ losesJobs: true });
    expect((await findBroken()).claims).toEqual(['every acknowledged job exists, once']);
  });
});

describe('a client', () => {
  const ask = (cut: number | 'at_answer') =>
    client.ask('/v1/jobs', { method: 'POST', bearer: 'a', body: { metadata: {} }, cut });

  it('gives up a connection that it is to cut before the answer', async () => {
    await serve({ isMute: true });
    await expect(ask(1)).rejects.toThrow();
  });

  it('hears nothing over a connection that is cut within the answer', async () => {
    await serve();
    await expect(ask('at_answer')).rejects.toThrow();
    expect((await ask(60_000)).status).toBe(202);
  });
});
