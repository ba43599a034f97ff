/**
 * The whole Worker by HTTP, for tests: `app.fetch` over the real Durable Objects, R2 and
 * Postgres, with clients and agents that know only their tokens. Each world has a pool of its
 * own, so tests of a file do not meet.
 */
import { createExecutionContext, waitOnExecutionContext } from 'cloudflare:test';
import { expect } from 'vitest';
import type { AcquireAnswer, EndAnswer, LeasedJob, LeaseRef } from '#schema/agent-protocol.ts';
import { UPLOAD_HEADERS } from '#schema/agent-protocol.ts';
import type { CreatedAccount, CreatedAgent, JobView } from '#schema/api.ts';
import type { Artifact, ArtifactRole, ContentType } from '#schema/artifact.ts';
import { ErrorBody } from '#schema/error.ts';
import type { ErrorCode } from '#schema/error.ts';
import type { PlanId } from '#schema/plan.ts';
import { app } from '../app.ts';
import { parseEnv } from '../env.ts';
import type { Bindings, Env } from '../env.ts';
import { bindings, newPool } from './world.ts';

export interface CallOptions {
  readonly bearer?: string;
  readonly json?: unknown;
  readonly body?: BodyInit;
  readonly headers?: Record<string, string>;
}

/** A Worker with a pool of its own. */
export class HttpWorld {
  readonly pool: string;
  readonly bindings: Bindings;
  readonly env: Env;

  constructor(more: Partial<Bindings> = {}) {
    this.pool = newPool();
    this.bindings = { ...bindings, POOLS: this.pool, ...more };
    this.env = parseEnv(this.bindings);
  }

  /** One request; waits for nothing that the answer does not wait for. */
  async call(method: string, path: string, options: CallOptions = {}): Promise<Response> {
    const ctx = createExecutionContext();
    const response = await app.fetch(makeRequest(method, path, options), this.bindings, ctx);
    // Streams go on after the answer; only short work is waited for.
    if (!response.headers.get('content-type')?.startsWith('text/event-stream')) {
      await waitOnExecutionContext(ctx);
    }
    return response;
  }

  get(path: string, bearer?: string, headers: Record<string, string> = {}): Promise<Response> {
    return this.call('GET', path, { headers, ...(bearer ? { bearer } : {}) });
  }

  post(path: string, bearer: string, json: unknown, headers = {}): Promise<Response> {
    return this.call('POST', path, { bearer, json, headers });
  }

  admin(method: string, path: string, json?: unknown): Promise<Response> {
    const bearer = this.env.adminKey;
    return this.call(method, path, { bearer, ...(json === undefined ? {} : { json }) });
  }

  async newAccount(plan: PlanId = 'pro'): Promise<CreatedAccount> {
    const response = await this.admin('POST', '/admin/v1/accounts', { name: 'Ada', plan });
    expect(response.status).toBe(201);
    return response.json();
  }

  /** An agent that registered with these models. */
  async newAgent(models: readonly string[] = ['painter']): Promise<HttpAgent> {
    const response = await this.admin('POST', '/admin/v1/agents', { name: 'box' });
    expect(response.status).toBe(201);
    const { id, token } = await response.json<CreatedAgent>();
    const agent = new HttpAgent(this, { id, token });
    await agent.register(models);
    return agent;
  }

  /** A submitted job. */
  async newJob(apiKey: string, request: object = PAINTING): Promise<JobView> {
    const response = await this.post('/v1/jobs', apiKey, request);
    expect(response.status, await response.clone().text()).toBe(202);
    return response.json();
  }
}

/** 512x512: a quarter of a token. */
export const PAINTING = {
  type: 'image',
  model: 'painter',
  prompt: 'a lighthouse at dusk',
  width: 512,
  height: 512,
} as const;

export const CHAT = {
  type: 'text',
  model: 'chat',
  prompt: 'Tell me of the sea.',
  max_tokens: 100,
} as const;

/** Speaks the agent protocol over HTTP. */
export class HttpAgent {
  readonly id: string;
  readonly token: string;
  readonly #world: HttpWorld;
  readonly sessionId = crypto.randomUUID();

  constructor(world: HttpWorld, { id, token }: { id: string; token: string }) {
    this.#world = world;
    this.id = id;
    this.token = token;
  }

  call(verb: string, body: object): Promise<Response> {
    return this.#world.post(`/agent/v1/${verb}`, this.token, body);
  }

  async register(models: readonly string[]): Promise<void> {
    const response = await this.call('register', {
      sessionId: this.sessionId,
      version: '1',
      capabilities: { gpu: null, engines: [{ engine: 'test', version: '1', models }] },
      holding: [],
    });
    expect(response.status, await response.clone().text()).toBe(200);
  }

  async acquire(waitMs = 0): Promise<AcquireAnswer> {
    const { sessionId, holding } = { sessionId: this.sessionId, holding: [] };
    const response = await this.call('acquire', { sessionId, resident: [], holding, waitMs });
    expect(response.status, await response.clone().text()).toBe(200);
    return response.json();
  }

  /** The next job, which must be there. */
  async take(): Promise<LeasedJob> {
    const { job } = await this.acquire();
    expect(job).not.toBeNull();
    return job!;
  }

  renew(job: LeasedJob, news: { progress: object | null; preview: object | null }) {
    const { jobId, fencingToken } = job;
    return this.call('renew', {
      sessionId: this.sessionId,
      leases: [{ jobId, fencingToken, ...news }],
      resident: ['painter'],
      health: { status: 'ok', message: null, vramFreeMib: null },
    });
  }

  stream(job: LeasedJob, offset: number, text: string): Promise<Response> {
    const { jobId, fencingToken, uploadTicket } = job;
    return this.call('stream', { jobId, fencingToken, uploadTicket, offset, text });
  }

  async upload(job: LeasedJob, file: TestFile, headers: Record<string, string> = {}) {
    const { index = 0, role = 'result', contentType = 'image/png', bytes } = file;
    const path = `/agent/v1/jobs/${job.jobId}/artifacts/${index}/${role}`;
    return this.#world.call('PUT', path, {
      bearer: this.token,
      body: bytes,
      headers: {
        'content-type': contentType,
        'content-length': String(bytes.length),
        [UPLOAD_HEADERS.fencingToken]: String(job.fencingToken),
        [UPLOAD_HEADERS.sha256]: await hashBytes(bytes),
        [UPLOAD_HEADERS.ticket]: job.uploadTicket,
        ...headers,
      },
    });
  }

  /** Asks for orders about leases; parks for `waitMs`. */
  order(holding: LeaseRef[], waitMs: number): Promise<Response> {
    return this.call('control', { sessionId: this.sessionId, holding, waitMs });
  }

  async complete(
    job: LeasedJob,
    result: { artifacts?: Artifact[]; usage?: object; next?: object } = {},
  ): Promise<EndAnswer> {
    const { artifacts = [], usage = { steps: 20 }, next = null } = result;
    return expectEnd(await this.#end('complete', job, { artifacts, usage, next }));
  }

  /** Completes without a look at the answer. */
  tryComplete(job: LeasedJob, artifacts: Artifact[] = []): Promise<Response> {
    return this.#end('complete', job, { artifacts, usage: {} });
  }

  async fail(job: LeasedJob, how: { code: ErrorCode; retryable: boolean }) {
    const more = { ...how, detail: 'as the engine said', usage: {} };
    return expectEnd(await this.#end('fail', job, more));
  }

  async giveBack(job: LeasedJob, reason: 'cancelled' | 'drain' = 'drain') {
    return expectEnd(await this.#end('return', job, { reason, usage: { steps: 5 } }));
  }

  #end(verb: string, job: LeasedJob, more: object): Promise<Response> {
    const { jobId, fencingToken } = job;
    return this.call(verb, {
      sessionId: this.sessionId,
      lease: { jobId, fencingToken },
      timings: { loadMs: 0, serviceMs: 1000, uploadMs: 10 },
      next: null,
      ...more,
    });
  }

  /** Uploads a picture and completes the job with it. */
  async finish(job: LeasedJob, bytes: Uint8Array<ArrayBuffer> = PICTURE): Promise<Artifact> {
    const response = await this.upload(job, { bytes });
    expect(response.status, await response.clone().text()).toBe(200);
    const stored =
      await response.json<Pick<Artifact, 'key' | 'contentType' | 'bytes' | 'sha256'>>();
    const measures = { width: 512, height: 512, durationS: null, thumbnailKey: null };
    const artifact: Artifact = { index: 0, ...stored, ...measures };
    await this.complete(job, { artifacts: [artifact] });
    return artifact;
  }
}

async function expectEnd(response: Response): Promise<EndAnswer> {
  expect(response.status, await response.clone().text()).toBe(200);
  return response.json();
}

export interface TestFile {
  readonly index?: number;
  readonly role?: ArtifactRole;
  readonly contentType?: ContentType;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Any bytes will do: nothing here looks into them. */
export const PICTURE: Uint8Array<ArrayBuffer> = Uint8Array.from(
  'not really a PNG, but just as good',
  (char) => char.charCodeAt(0),
);

export async function hashBytes(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** The error body of an answer that must be this error. */
export async function expectError(response: Response, code: ErrorCode) {
  const text = await response.text();
  const { error } = ErrorBody.parse(JSON.parse(text));
  expect(error.code, text).toBe(code);
  expect(error.request_id).toBe(response.headers.get('x-request-id'));
  return error;
}

/** The first field that an `invalid_request` names. */
export function firstField(error: { details?: Record<string, unknown> | undefined }): unknown {
  return (error.details!['fields'] as unknown[])[0];
}

export type Route = readonly [method: string, path: string];
type Caller = 'account' | 'agent' | 'admin';

const NOBODY = '01k00000000000000000000000';
const SECRET = 'x'.repeat(43);
/** A well-formed credential of each kind that opens nothing. */
const STRANGERS: Readonly<Record<Caller, (world: HttpWorld) => string>> = {
  account: () => `tsr_${NOBODY}_${SECRET}`,
  agent: ({ pool }) => `tsa_${pool}_${NOBODY}_${SECRET}`,
  admin: () => 'y'.repeat(40),
};

/** No, malformed, foreign and unknown credentials are refused, whatever else is sent. */
export async function expectAuthRefusals(
  world: HttpWorld,
  [method, path]: Route,
  request: { caller: Caller; json?: unknown; headers?: Record<string, string> },
): Promise<void> {
  const { caller, json } = request;
  const foreign = Object.entries(STRANGERS).filter(([kind]) => kind !== caller);
  const credentials = [
    undefined,
    'Bearer',
    'Bearer nonsense',
    `Basic ${STRANGERS[caller](world)}`,
    ...foreign.map(([, make]) => `Bearer ${make(world)}`),
    `Bearer ${STRANGERS[caller](world)}`,
  ];
  for (const authorization of credentials) {
    const headers = {
      ...request.headers,
      ...(authorization === undefined ? {} : { authorization }),
    };
    const response = await world.call(method, path, {
      headers,
      ...(json === undefined ? {} : { json }),
    });
    expect(response.status, `${method} ${path} with ${authorization}`).toBe(401);
    expect(response.headers.get('www-authenticate')).toContain('Bearer');
    await expectError(response, 'unauthorized');
  }
}

function makeRequest(method: string, path: string, options: CallOptions): Request {
  const { bearer, json, body, headers } = options;
  return new Request(`http://127.0.0.1:8787${path}`, {
    method,
    headers: {
      ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
      ...(json === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    ...(body === undefined ? {} : { body }),
  });
}
