/**
 * A hundred clients that submit as clients do where networks are bad: most once, some twice at the
 * same time or again later, some over a connection that is cut before or within the answer. Each
 * repeats with the same idempotency key until it has an answer, but for a few that give up.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { JobView } from '#schema/api.ts';
import { REQUEST } from '../contender.ts';
import type { Client } from './client.ts';

/** What one client asked for under one idempotency key, and what it was told. */
export interface Told {
  readonly key: string;
  /** The job's id of each answer; none when the client gave up. */
  readonly ids: readonly string[];
}

export interface Count {
  requests: number;
  /** Requests whose connection was cut before the whole answer was there. */
  cut: number;
  /** Requests with a key that was sent before. */
  repeats: number;
  cancels: number;
  /** Refusals for coming too often, which were asked again. */
  refused: number;
}

export interface Submits {
  readonly told: readonly Told[];
  readonly count: Count;
  /** Milliseconds from a first, uncut submit to its whole answer. */
  readonly ms: readonly number[];
  readonly wallMs: number;
  /** What no client may see: answers that are neither a job nor a refusal to come so often. */
  readonly faults: readonly string[];
}

export const CLIENTS = 100;
const AGAIN_MS = 50;
/** How the connection of a cut submit ends, in turn: so long after it, or within the answer. */
const CUTS = [1, 3, 6, 10, 16, 25, 'at_answer'] as const;
const TEXT = { type: 'text', model: 'chat-small', prompt: 'a haiku', max_tokens: 64 } as const;
/** The models of these jobs. */
export const MODELS = [REQUEST.model, TEXT.model] as const;

/** What a job of that number asks for: a text in every eighth, whose price is known at its end. */
export function wishOf(number: number): typeof REQUEST | typeof TEXT {
  return number % 8 === 7 ? TEXT : REQUEST;
}

type Fate = 'once' | 'twice' | 'again' | 'cut' | 'gone';

/** Of twenty submits: eleven once, three twice, two again, three cut, one cut and given up. */
export function fateOf(number: number): Fate {
  const place = number % 20;
  if (place < 11) return 'once';
  if (place < 14) return 'twice';
  if (place < 16) return 'again';
  return place < 19 ? 'cut' : 'gone';
}

/** Submits `each` jobs per client; `keys` are accounts' keys, which the clients share out. */
export async function submitAll(
  client: Client,
  keys: readonly string[],
  { each, run }: { each: number; run: number },
): Promise<Submits> {
  const told: Told[] = [];
  const ms: number[] = [];
  const faults: string[] = [];
  const count: Count = { requests: 0, cut: 0, repeats: 0, cancels: 0, refused: 0 };
  const noted = { told, ms, faults, count };
  const startedAt = performance.now();
  const act = async (place: number) => {
    const bearer = keys[place % keys.length]!;
    for (let n = 0; n < each; n += 1) {
      const number = place * each + n;
      await submitOne({ client, bearer, number, key: `run${run}-${number}`, ...noted });
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, (_, place) => act(place)));
  return { ...noted, wallMs: performance.now() - startedAt };
}

interface Submitter {
  readonly client: Client;
  readonly bearer: string;
  readonly number: number;
  readonly key: string;
  readonly told: Told[];
  readonly ms: number[];
  readonly faults: string[];
  readonly count: Count;
}

async function submitOne(one: Submitter): Promise<void> {
  const { number, key, told, ms, count } = one;
  const fate = fateOf(number);
  const ids: string[] = [];
  if (fate === 'cut' || fate === 'gone') {
    const id = await send(one, CUTS[number % CUTS.length]);
    if (id !== null) ids.push(id);
    if (fate === 'gone') return void told.push({ key, ids });
    count.repeats += 1;
    ids.push(await insist(one));
  } else if (fate === 'twice') {
    count.repeats += 1;
    ids.push(...(await Promise.all([insist(one), insist(one)])));
  } else {
    const startedAt = performance.now();
    ids.push(await insist(one));
    ms.push(performance.now() - startedAt);
    if (fate === 'again') {
      count.repeats += 1;
      ids.push(await insist(one));
    }
  }
  told.push({ key, ids });
  if (number % 10 === 0) await cancel(one, ids[0]!);
}

/** Sends until there is an answer. */
async function insist(one: Submitter): Promise<string> {
  for (;;) {
    const id = await send(one);
    if (id !== null) return id;
    await sleep(AGAIN_MS);
    one.count.repeats += 1;
  }
}

/** Sends once; the job's id, or null when there was no answer or a refusal for now. */
async function send(one: Submitter, cut?: number | 'at_answer'): Promise<string | null> {
  const { client, bearer, number, key, faults, count } = one;
  count.requests += 1;
  const answer = await client
    .ask('/v1/jobs', {
      method: 'POST',
      bearer,
      body: { ...wishOf(number), metadata: { key } },
      headers: { 'idempotency-key': key },
      ...(cut === undefined ? {} : { cut }),
    })
    .catch((error: unknown) => {
      if (cut === undefined) faults.push(`${key}: ${String(error)}`);
      return null;
    });
  if (answer === null) {
    count.cut += 1;
    return null;
  }
  if (answer.status === 429) {
    count.refused += 1;
    await sleep((answer.retryAfterS ?? 1) * 1000);
    return null;
  }
  const job = answer.status < 300 ? JobView.safeParse(answer.body) : null;
  if (job?.success === true) return job.data.id;
  faults.push(`${key}: ${answer.status} ${JSON.stringify(answer.body)}`);
  return null;
}

async function cancel(
  { client, bearer, key, faults, count }: Submitter,
  id: string,
): Promise<void> {
  count.cancels += 1;
  const answer = await client.insist(`/v1/jobs/${id}/cancel`, { method: 'POST', bearer });
  if (answer.status !== 200) faults.push(`${key}: the cancel answered ${answer.status}`);
}
