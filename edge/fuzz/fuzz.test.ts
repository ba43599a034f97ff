import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MODELS } from '#schema/model.ts';
import { CHAT, HttpWorld, PAINTING } from '../test/http.ts';
import { makePng, makeWav } from '../test/media.ts';
import { judgeAnswer } from './answer.ts';
import { Box } from './box.ts';
import { Description } from './document.ts';
import { drawRequest } from './draw.ts';
import type { DrawnRequest, Source } from './draw.ts';

/** Rises and falls with nothing: the same requests each time, but for ids. */
const SEED = 20_261_122;
const REQUESTS = 1000;
const GROUPS = 10;
/** Requests under way at once. */
const LANES = 4;
/** Of a stream, enough to see that it is one. */
const STREAM_BYTES = 2000;
/** An id as the service writes them; what it gave out is asked for again. */
const ID = /\b(?:job|file|key|wh|msg|agt|acc|video)_[0-9a-z]{26}(?:_[a-z0-9-]+)?\b/g;
const IDS_MAX = 40;
const NOBODY = '01k00000000000000000000000';

let world: HttpWorld;
let box: Box;
let description: Description;
let keys: string[];
/** Of the requests with a good credential, those that were served. */
const own = { asked: 0, served: 0 };
const known = new Map<string, string[]>();

beforeAll(async () => {
  world = new HttpWorld();
  box = await Box.start(world);
  description = new Description(await (await world.get('/openapi.json')).json());
  keys = await Promise.all([newKey(), newKey()]);
  for (const request of [PAINTING, CHAT])
    remember(JSON.stringify(await world.newJob(keys[0]!, request)));
  known.set(
    'model',
    MODELS.map(({ id }) => id),
  );
});
afterAll(() => box.stop());

const newKey = async () => (await world.newAccount('admin')).api_key;

const source = (): Source => ({
  description,
  known: (pattern) => {
    const form = new RegExp(pattern, 'u');
    return [...known.values()].flat().filter((id) => form.test(id));
  },
  files: [makePng(64, 64), makeWav(1)],
});

/** The box's own calls are not of this test, nor may it be drained or revoked. */
function isAsked({ path }: { path: string }): boolean {
  return !path.startsWith('/agent/') && !path.startsWith('/admin/v1/agents/');
}

function authorizationOf({ credential, operation }: DrawnRequest): string | null {
  const isAdmin = operation.security?.some((one) => 'adminKey' in one) === true;
  switch (credential) {
    case 'own':
      return `Bearer ${isAdmin ? world.env.adminKey : keys[0]}`;
    case 'other':
      return `Bearer ${keys[1]}`;
    case 'none':
      return null;
    case 'malformed':
      return 'Bearer tsr_x';
    case 'stranger':
      return `Bearer tsr_${NOBODY}_${'x'.repeat(43)}`;
    case 'foreign_kind':
      return `Bearer tsa_${world.pool}_${NOBODY}_${'x'.repeat(43)}`;
  }
}

/** Sends a request and says what is wrong with its answer, or null. */
async function send(request: DrawnRequest): Promise<string | null> {
  const { operation, path, headers, body } = request;
  const authorization = authorizationOf(request);
  const sent = body === null ? { headers: {} } : await encode(body);
  const response = await world.call(operation.method, path, {
    ...sent,
    headers: { ...sent.headers, ...headers, ...(authorization === null ? {} : { authorization }) },
  });
  const text = await readSome(response);
  remember(text);
  if (request.credential === 'own') {
    own.asked += 1;
    if (response.ok) own.served += 1;
  }
  if (request.credential === 'own' && /"(unauthorized|account_blocked|plan_required)"/.test(text)) {
    // It was revoked, as it was asked to be.
    keys[0] = await newKey();
  }
  return judgeAnswer(description, request, { response, text });
}

/** As a client sends it: whole, with its length, and a form with its boundary. */
async function encode(body: NonNullable<DrawnRequest['body']>) {
  const written = new Response(body);
  const type = body instanceof FormData ? written.headers.get('content-type') : null;
  const bytes = new Uint8Array(await written.arrayBuffer());
  const length = { 'content-length': String(bytes.length) };
  return {
    headers: { ...length, ...(type === null ? {} : { 'content-type': type }) },
    body: bytes,
  };
}

/** The whole body, or the beginning of a stream. */
async function readSome(response: Response): Promise<string> {
  const type = response.headers.get('content-type') ?? '';
  if (!type.startsWith('text/event-stream') || !response.body) {
    return new TextDecoder().decode(await response.arrayBuffer());
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  while (text.length < STREAM_BYTES) {
    const { done, value } = await reader.read();
    if (done || value === undefined) return text;
    text += value;
    if (/event: state\b.*"(completed|failed|cancelled)"|\[DONE\]/s.test(text)) break;
  }
  await reader.cancel();
  return text;
}

function remember(text: string): void {
  for (const [id] of text.matchAll(ID)) {
    const kind = id.split('_')[0]!;
    const ids = known.get(kind) ?? [];
    if (!ids.includes(id)) known.set(kind, [id, ...ids].slice(0, IDS_MAX));
  }
}

describe(`${REQUESTS} requests drawn from the OpenAPI document`, () => {
  it.each(Array.from({ length: GROUPS }, (_, group) => [group]))(
    'are answered as it says, part %i',
    async (group) => {
      const faults = new Map<string, string>();
      const operations = description.operations.filter(isAsked);
      let next = 0;
      const lane = async () => {
        while (next < REQUESTS / GROUPS) {
          const seed = SEED + (group * REQUESTS) / GROUPS + next;
          next += 1;
          // Each operation in turn, so that none is left out.
          const operation = operations[seed % operations.length]!;
          const [request] = fc.sample(drawRequest(source(), operation), { seed, numRuns: 1 });
          const fault = await send(request!);
          if (fault === null) continue;
          const { method, path } = operation;
          const sent = typeof request!.body === 'string' ? request!.body.slice(0, 400) : '';
          faults.set(
            `${method} ${path} ${fault.slice(0, 60)}`,
            `${seed}: ${method} ${request!.path} as ${request!.credential} ${sent}\n  ${fault}`,
          );
        }
      };
      await Promise.all(Array.from({ length: LANES }, lane));
      expect([...faults.values()]).toEqual([]);
    },
    120_000,
  );
});

it('gets far: at least a third of what may be served is', () => {
  expect(own.asked).toBeGreaterThan(REQUESTS / 2);
  expect(own.served).toBeGreaterThan(own.asked / 3);
});

it('draws requests of every operation', () => {
  const operations = description.operations.filter(isAsked);
  expect(operations.length).toBeGreaterThan(10);
  expect(operations.length).toBeLessThan(REQUESTS / 8);
});
