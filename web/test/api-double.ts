/**
 * A small double of the API for the site's own tests: one account, one GPU, real schemas on
 * both sides. What a test wants to happen it sets in `world`. The end-to-end tests run the same
 * pages against the real Worker.
 */
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AccountView, CancelView, HealthView, ModelList, QuoteView } from '#schema/api.ts';
import type { Availability } from '#schema/api.ts';
import { ERRORS, ErrorBody } from '#schema/error.ts';
import type { ErrorCode } from '#schema/error.ts';
import { GalleryPage } from '#schema/gallery.ts';
import { JobRequest, isTerminal, toSpec } from '#schema/job.ts';
import type { ImageSpec } from '#schema/job.ts';
import { JSON_BODY_BYTES_MAX } from '#schema/limits.ts';
import { MODELS, findModel } from '#schema/model.ts';
import { PLANS } from '#schema/plan.ts';
import type { PlanId } from '#schema/plan.ts';
import { quoteMillitokens, tellPrice, toTokens } from '#schema/price.ts';
import { DoubleJob } from './double-job.ts';
import type { JobPace } from './double-job.ts';
import { serveStatic } from './static-site.ts';

export interface World {
  plan: PlanId;
  agentsOnline: number;
  databaseUp: boolean;
  spentMillitokens: number;
  pace: JobPace;
  /** Refuses event streams, so that only polling is left. */
  refuseStreams: boolean;
  /** Cuts each event stream after this many numbered events, 0 never. */
  cutStreamsAfter: number;
  /** Takes the next submits, but cuts their answers off. */
  loseSubmitAnswers: number;
  /** Jobs in the gallery with their prompts; null: not shown. */
  readonly shown: Map<string, string | null>;
  /** What was seen, for assertions. */
  readonly seen: { submits: string[]; lastEventIds: string[]; jobs: Map<string, string> };
}

export interface ApiDouble {
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly world: World;
  reset(): void;
  close(): Promise<void>;
}

interface Context {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
}

const ONLINE: Readonly<Record<string, Availability>> = {
  painter: 'resident',
  composer: 'installed',
  flite: 'installed',
  sdxl: 'installed',
};
const CUT_AFTER_MS = 150;
const ACCOUNT = '01k9abcdefghjkmnpqrstvwxyz';

function newWorld(): World {
  return {
    plan: 'starter',
    agentsOnline: 1,
    databaseUp: true,
    spentMillitokens: 2000,
    pace: { queueMs: 150, loadMs: 100, stepMs: 12, failWith: null },
    refuseStreams: false,
    cutStreamsAfter: 0,
    loseSubmitAnswers: 0,
    shown: new Map(),
    seen: { submits: [], lastEventIds: [], jobs: new Map() },
  };
}

/** Starts the double on 127.0.0.1 with the files of `out`; `port` 0 takes a free one. */
export async function startApiDouble(out: string, port = 0): Promise<ApiDouble> {
  const apiKey = `tsr_${ACCOUNT}_${randomBytes(32).toString('base64url')}`;
  const world = newWorld();
  const jobs = new Map<string, DoubleJob>();
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', baseUrl);
    route({ request, response, url }).catch((error: unknown) => {
      response.destroy(error instanceof Error ? error : new Error(String(error)));
    });
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  async function route(context: Context): Promise<void> {
    const { request, response, url } = context;
    const path = url.pathname;
    if (path === '/health') return json(response, 200, health(world));
    if (path.startsWith('/media/')) return sendPicture(context);
    if (path === '/v1/models') return json(response, 200, models(world));
    if (path === '/v1/gallery') return json(response, 200, gallery());
    if (!path.startsWith('/v1/')) return serveStatic(out, path, response);
    if (request.headers.authorization !== `Bearer ${apiKey}`) {
      return refuse(response, 'unauthorized', 'This key is unknown or revoked');
    }
    if (path === '/v1/account') return json(response, 200, account());
    if (path === '/v1/jobs' && request.method === 'POST') return submit(context);
    const [, , , id, verb] = path.split('/');
    const job = jobs.get(id ?? '');
    if (!job) return refuse(response, 'not_found', 'There is no such job');
    if (verb === 'events') return sendEvents(context, job);
    if (verb === 'cancel') return json(response, 200, CancelView.parse({ result: job.cancel() }));
    return json(response, 200, job.view);
  }

  function gallery(): GalleryPage {
    const shown = [...jobs.values()].filter(({ view }) => world.shown.has(view.id));
    const data = shown.map(({ view }) => ({
      job_id: view.id,
      type: 'image' as const,
      model: view.model,
      prompt: world.shown.get(view.id) ?? null,
      published_at: view.created_at,
      artifacts: view.artifacts,
    }));
    return GalleryPage.parse({ data, next_cursor: null } satisfies GalleryPage);
  }

  function held(): number {
    const open = [...jobs.values()].filter((job) => !isTerminal(job.view.status));
    return open.reduce((sum, job) => sum + job.view.cost.held, 0);
  }

  function account(): AccountView {
    const plan = PLANS[world.plan];
    const ended = [...jobs.values()].reduce((sum, job) => sum + (job.view.cost.settled ?? 0), 0);
    const limit = toTokens(plan.dailyMillitokens);
    const spent = toTokens(world.spentMillitokens) + ended;
    const tomorrow = new Date(Math.ceil((Date.now() + 1) / 86_400_000) * 86_400_000);
    return AccountView.parse({
      id: `acc_${ACCOUNT}`,
      plan: plan.id,
      plan_until: null,
      tier: plan.tier,
      balance: {
        day: new Date().toISOString().slice(0, 10),
        limit,
        granted: 0,
        spent,
        held: held(),
        available: Math.max(0, limit - spent - held()),
        renews_at: tomorrow.toISOString(),
      },
      limits: {
        requests_per_minute: plan.requestsPerMinute,
        jobs_open: plan.jobsOpenMax,
        side_px: plan.sidePxMax,
        keys: plan.keysMax,
        webhooks: plan.webhooksMax,
      },
      jobs_open: 0,
      key: null,
    } satisfies AccountView);
  }

  async function submit({ request, response, url }: Context): Promise<void> {
    const parsed = JobRequest.safeParse(await readBody(request));
    if (!parsed.success || parsed.data.type !== 'image') {
      return refuse(response, 'invalid_request', 'A field is missing or out of bounds');
    }
    const model = findModel(parsed.data.model ?? 'painter');
    if (!model) return refuse(response, 'unknown_model', 'There is no such model');
    const spec = toSpec(parsed.data, model, randomBytes(4).readUInt32BE()) as ImageSpec;
    const refusal = admit(spec);
    if (url.searchParams.has('dry_run')) return json(response, 200, quote(spec, refusal));

    const idempotencyKey = String(request.headers['idempotency-key']);
    world.seen.submits.push(idempotencyKey);
    if (refusal) return refuse(response, refusal.code, refusal.message);
    const known = jobs.get(world.seen.jobs.get(idempotencyKey) ?? '');
    const job = known ?? new DoubleJob(newJobId(), spec, { baseUrl, pace: { ...world.pace } });
    jobs.set(job.view.id, job);
    world.seen.jobs.set(idempotencyKey, job.view.id);
    if (!known) void job.run();
    if (world.loseSubmitAnswers > 0) {
      world.loseSubmitAnswers -= 1;
      response.destroy();
      return undefined;
    }
    return json(response, 202, job.view);
  }

  function admit(spec: ImageSpec): { code: ErrorCode; message: string } | null {
    const price = toTokens(quoteMillitokens(spec));
    const left = Number(account().balance.available.toFixed(3));
    if (price > left) {
      const message = `This job costs ${price} tokens and ${left} are left today`;
      return { code: 'tokens_exhausted', message };
    }
    if (world.agentsOnline === 0 || !ONLINE[spec.model]) {
      return { code: 'no_agent', message: `No GPU that can run ${spec.model} is online` };
    }
    return null;
  }

  function quote(spec: ImageSpec, refusal: ReturnType<typeof admit>): QuoteView {
    return QuoteView.parse({
      dry_run: true,
      type: 'image',
      model: spec.model,
      parameters: { ...spec },
      cost: { held: toTokens(quoteMillitokens(spec)) },
      accepted: refusal === null,
      refusal,
      queue: null,
    } satisfies QuoteView);
  }

  async function sendEvents({ request, response }: Context, job: DoubleJob): Promise<void> {
    const lastEventId = request.headers['last-event-id'];
    world.seen.lastEventIds.push(String(lastEventId ?? ''));
    if (world.refuseStreams) return refuse(response, 'unavailable', 'The feed is away');
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    response.write(': open\n\n');
    let sent = 0;
    const stop = job.listen(Number(lastEventId ?? 0), (event, id) => {
      const line = id === null ? '' : `id: ${id}\n`;
      if (id !== null) sent += 1;
      const isOver = event.event === 'state' && isTerminal(event.data.status);
      const isCut = world.cutStreamsAfter > 0 && sent >= world.cutStreamsAfter && !isOver;
      const text = `${line}event: ${event.event}\ndata: ${JSON.stringify(event.data)}\n\n`;
      response.write(text);
      // A browser drops what it has not read yet when a connection breaks.
      if (isCut) setTimeout(() => response.destroy(), CUT_AFTER_MS);
      if (isOver) response.end();
    });
    response.on('close', stop);
    return undefined;
  }

  async function sendPicture({ response, url }: Context): Promise<void> {
    const picture = jobs.get(url.pathname.split('/')[2] ?? '')?.picture;
    if (!picture) return refuse(response, 'not_found', 'There is no such file');
    response.writeHead(200, { 'content-type': 'image/png', 'content-length': picture.length });
    response.end(picture);
    return undefined;
  }

  return {
    baseUrl,
    apiKey,
    world,
    reset() {
      jobs.clear();
      Object.assign(world, newWorld());
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

function health(world: World): HealthView {
  return HealthView.parse({
    status: world.databaseUp ? 'ok' : 'degraded',
    version: '0.1.0',
    dependencies: { scheduler: 'ok', database: world.databaseUp ? 'ok' : 'down', storage: 'ok' },
    agents: { online: world.agentsOnline, known: 1 },
  } satisfies HealthView);
}

function models(world: World): ModelList {
  return ModelList.parse({
    object: 'list',
    data: MODELS.map((model) => ({
      id: model.id,
      object: 'model' as const,
      created: 1_763_800_000,
      owned_by: 'tessera' as const,
      type: model.type,
      title: model.title,
      description: model.about,
      plan: model.plan,
      price: tellPrice(model),
      limits: {},
      defaults: {},
      accepts: [...model.accepts],
      availability: world.agentsOnline > 0 ? (ONLINE[model.id] ?? 'offline') : 'offline',
    })),
  } satisfies ModelList);
}

function newJobId(): string {
  const digits = '0123456789abcdefghjkmnpqrstvwxyz';
  const tail = Array.from(randomBytes(22), (byte) => digits[byte % 32]).join('');
  return `job_01kb${tail}_main`;
}

function refuse(response: ServerResponse, code: ErrorCode, message: string): void {
  const body = { error: { code, message, request_id: 'req_test' } };
  json(response, ERRORS[code].status, ErrorBody.parse(body));
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(body));
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > JSON_BODY_BYTES_MAX) return null;
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    // Not JSON: the schema refuses null.
    return null;
  }
}
