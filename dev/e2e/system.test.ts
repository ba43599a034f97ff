/**
 * The whole system, started once as `npm start` starts it: from a submit to the bytes of the
 * result, through every part, and through the death of each.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { AccountView, HealthView, JobView } from '#schema/api.ts';
import { JobEvent } from '#schema/event.ts';
import { call, isTerminal } from '../api.ts';
import { describePage } from '../../web/test/page-suite.ts';
import { findFreePort } from '../port.ts';
import { removePostgresData } from '../postgres-home.ts';
import { quiet } from '../progress.ts';
import { LocalSystem } from '../system.ts';

const SMALL = { type: 'image', prompt: 'a red boat', width: 256, height: 256, steps: 4 } as const;
const ENDS_MS = 60_000;
/** The account is told of a job's end by its own, retried message. */
const SETTLES = { timeout: 30_000, interval: 250 };
const STARTS = { timeout: 30_000, interval: 50 };

let data: string;
let system: LocalSystem;

beforeAll(async () => {
  data = mkdtempSync(join(tmpdir(), 'tessera-e2e-'));
  system = new LocalSystem({ data, port: await findFreePort(), print: quiet });
  await system.start();
});

afterAll(async () => {
  await system.stop();
  removePostgresData(join(data, 'postgres'));
  rmSync(data, { recursive: true, force: true });
});

async function submit(key: string, body: object = SMALL): Promise<JobView> {
  const { baseUrl, apiKey: bearer } = system.credentials;
  const headers = { 'idempotency-key': key };
  return JobView.parse(await call(`${baseUrl}/v1/jobs`, { method: 'POST', bearer, body, headers }));
}

async function read(id: string): Promise<JobView> {
  const { baseUrl, apiKey: bearer } = system.credentials;
  return JobView.parse(await call(`${baseUrl}/v1/jobs/${id}`, { bearer }));
}

async function readUntilEnd(id: string, timeout = ENDS_MS): Promise<JobView> {
  return vi.waitFor(
    async () => {
      const job = await read(id);
      expect(isTerminal(job)).toBe(true);
      return job;
    },
    { timeout, interval: 250 },
  );
}

/** Reads a job's event stream to its end. */
async function readEvents(id: string): Promise<JobEvent[]> {
  const { baseUrl, apiKey } = system.credentials;
  const response = await fetch(`${baseUrl}/v1/jobs/${id}/events`, {
    headers: { authorization: `Bearer ${apiKey}` },
    signal: AbortSignal.timeout(ENDS_MS),
  });
  const blocks = (await response.text()).split('\n\n');
  return blocks.flatMap((block) => {
    const event = /^event: (.*)$/m.exec(block)?.[1];
    const lines = [...block.matchAll(/^data: (.*)$/gm)].map((found) => found[1] ?? '');
    return event === undefined
      ? []
      : [JobEvent.parse({ event, data: JSON.parse(lines.join('\n')) })];
  });
}

describe('a system that was just started', () => {
  it('is healthy, with its agent online', async () => {
    const response = await fetch(`${system.baseUrl}/health`);
    expect(HealthView.parse(await response.json())).toMatchObject({
      status: 'ok',
      dependencies: { scheduler: 'ok', database: 'ok', storage: 'ok' },
      agents: { online: 1 },
    });
  });

  it('keeps its credentials to itself', () => {
    for (const name of ['local.json', 'secrets.json', 'postgres.password']) {
      expect(statSync(join(data, name)).mode & 0o777, name).toBe(0o600);
    }
  });

  it('serves the site and the API on one origin', async () => {
    const page = await fetch(system.baseUrl);
    expect(page.headers.get('content-type')).toContain('text/html');
    const refused = await fetch(`${system.baseUrl}/v1/account`);
    expect(refused.status).toBe(401);
    expect(refused.headers.get('x-request-id')).toMatch(/^req_/);
  });
});

describe('a job', () => {
  it('runs from its submit to a result whose hash is that of its bytes', async () => {
    const submitted = await submit('e2e-result');
    const events = await readEvents(submitted.id);
    const job = await readUntilEnd(submitted.id);
    expect(job).toMatchObject({ status: 'completed', error: null });
    const states = events.flatMap(({ event, data: view }) =>
      event === 'state' ? [view.status] : [],
    );
    expect(states.at(-1)).toBe('completed');

    const [artifact] = job.artifacts;
    const bytes = Buffer.from(await (await fetch(artifact?.url ?? '')).arrayBuffer());
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(artifact?.sha256);
    expect(bytes.length).toBe(artifact?.bytes);
  });

  it('is the same job when its submit is repeated with its key', async () => {
    const [one, two] = await Promise.all([submit('e2e-twice'), submit('e2e-twice')]);
    expect(two.id).toBe(one.id);
    await readUntilEnd(one.id);
  });

  it('costs what was held, and the account is told', async () => {
    const { baseUrl, apiKey: bearer } = system.credentials;
    const readBalance = async () =>
      AccountView.parse(await call(`${baseUrl}/v1/account`, { bearer })).balance;
    const before = await readBalance();
    const job = await readUntilEnd((await submit('e2e-cost')).id);
    await vi.waitFor(async () => {
      const { spent, held } = await readBalance();
      expect(spent - before.spent).toBeCloseTo(job.cost.settled ?? -1, 6);
      expect(held).toBe(0);
    }, SETTLES);
  });
});

/** How often the agent has opened its socket, by its log. */
function socketsOpened(): number {
  const log = readFileSync(join(data, 'logs', 'agent.log'), 'utf8');
  return log.split('\n').filter((line) => line.includes('"socket.open"')).length;
}

it('comes to its agent by a socket, which is opened anew after the Worker died', async () => {
  await readUntilEnd((await submit('e2e-socket')).id);
  await vi.waitFor(() => expect(socketsOpened()).toBeGreaterThan(0), STARTS);
  const before = socketsOpened();
  system.parts.edge?.kill();
  await vi.waitFor(() => expect(socketsOpened()).toBeGreaterThan(before), SETTLES);
  expect((await readUntilEnd((await submit('e2e-socket-again')).id)).status).toBe('completed');
});

describe('a job while a part dies', () => {
  it.each(['agent', 'edge', 'database'] as const)(
    'completes although the %s is killed',
    async (name) => {
      const job = await submit(`e2e-kill-${name}`, {
        ...SMALL,
        width: 512,
        height: 512,
        steps: 20,
      });
      await vi.waitFor(async () => expect((await read(job.id)).status).toBe('running'), STARTS);
      const part = system.parts[name];
      const killed = part?.pid;
      part?.kill();
      const ended = await readUntilEnd(job.id, 90_000);
      expect(ended).toMatchObject({ id: job.id, status: 'completed' });
      await vi.waitFor(() => expect(part?.pid).not.toBe(killed), STARTS);
    },
  );
});

describePage('the first page on the whole system', () => Promise.resolve(system.credentials));
