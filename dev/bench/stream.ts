/**
 * How long a generated token is on its way to a reader of `/v1/jobs/:id/events`, beside a reader
 * of the text server itself: the real agent, Worker and Feed on this machine. In a second round
 * the reader loses its connection again and again and resumes; what it has read in the end must
 * be what was generated, to the byte.
 */
import { JobView } from '#schema/api.ts';
import { createSseParser } from '../../web/lib/sse.ts';
import { call } from '../api.ts';
import type { Report } from './report.ts';
import { percentile, spread } from './sample.ts';
import { Stand } from './stand.ts';
import { delaysIn, now, startStampServer, type StampServer } from './stamp-server.ts';
import { tell } from './table.ts';

export interface StreamOptions {
  readonly runs: number;
}

/** About what a small model on a home GPU writes. */
const PACE = { tokens: 300, everyMs: 20 };
/** Events after which the second reader loses its connection. */
const CUT_EVERY = 5;
const ADDED_MS_MAX = 150;

interface Reading {
  readonly delaysMs: readonly number[];
  readonly text: string;
  readonly cuts: number;
}

interface Track {
  readonly reader: string;
  readonly runs: Reading[];
  read(): Promise<Reading>;
}

/** The table's unit is milliseconds from a token's making to its reading. */
export async function measureStream({ runs }: StreamOptions): Promise<Report> {
  const server = await startStampServer(PACE);
  let stand: Stand | undefined;
  try {
    stand = await Stand.start({
      agent: () => ({ TESSERA_ENGINES: 'text', TESSERA_TEXT_URL: server.url }),
    });
    const { url } = stand;
    const bearer = await stand.createAccount('admin');
    const track = (reader: string, read: Track['read']): Track => ({ reader, runs: [], read });
    const tracks = [
      track('of the text server', () => readServer(server)),
      track('of the job', () => readJob(url, bearer, Infinity)),
      track(`of the job, cut every ${CUT_EVERY} events`, () => readJob(url, bearer, CUT_EVERY)),
    ];
    for (let run = 0; run < runs; run += 1) {
      for (const one of tracks) {
        const reading = await one.read();
        if (reading.text !== server.text()) throw new Error(`${one.reader}: read something else`);
        one.runs.push(reading);
      }
    }
    return describe(tracks);
  } finally {
    await stand?.stop();
    await server.close();
  }
}

async function readServer(server: StampServer): Promise<Reading> {
  const response = await fetch(`${server.url}/v1/chat/completions`, { method: 'POST', body: '{}' });
  const parser = createSseParser();
  const delaysMs: number[] = [];
  let text = '';
  for await (const chunk of textOf(response)) {
    for (const { data } of parser.push(chunk)) {
      if (data === '[DONE]') continue;
      const { choices } = JSON.parse(data) as { choices: { delta: { content?: string } }[] };
      const piece = choices[0]?.delta.content ?? '';
      text += piece;
      delaysMs.push(...delaysIn(piece, now()));
    }
  }
  return { delaysMs, text, cuts: 0 };
}

async function readJob(url: string, bearer: string, cutEvery: number): Promise<Reading> {
  const messages = [{ role: 'user', content: 'Tell me a story.' }];
  const body = { type: 'text', model: 'chat', messages, max_tokens: PACE.tokens * 2 };
  const job = JobView.parse(await call(`${url}/v1/jobs`, { method: 'POST', bearer, body }));
  const delaysMs: number[] = [];
  let [text, lastId, cuts, isOver] = ['', '', 0, false];
  while (!isOver) {
    const headers = {
      authorization: `Bearer ${bearer}`,
      ...(lastId === '' ? {} : { 'last-event-id': lastId }),
    };
    const response = await fetch(`${url}/v1/jobs/${job.id}/events`, { headers });
    if (!response.ok) throw new Error(`events answered ${response.status}`);
    const parser = createSseParser(lastId);
    let events = 0;
    reading: for await (const chunk of textOf(response)) {
      for (const { event, data, id } of parser.push(chunk)) {
        lastId = id ?? lastId;
        if (event === 'text') {
          const { text: piece } = JSON.parse(data) as { text: string };
          text += piece;
          delaysMs.push(...delaysIn(piece, now()));
          events += 1;
        }
        if (event === 'state') isOver = isEnd(JSON.parse(data));
        if (events < cutEvery) continue;
        cuts += 1;
        break reading; // which closes the connection
      }
    }
  }
  return { delaysMs, text, cuts };
}

function isEnd(state: unknown): boolean {
  const { status, error } = JobView.parse(state);
  if (status === 'failed') throw new Error(`the job failed: ${error?.message}`);
  return status === 'completed';
}

async function* textOf(response: Response): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  for await (const chunk of response.body!) yield decoder.decode(chunk, { stream: true });
}

function describe(tracks: readonly Track[]): Report {
  const found = tracks.map(({ reader, runs }) => ({
    reader,
    tokens: runs.reduce((sum, { delaysMs }) => sum + delaysMs.length, 0),
    cuts: runs.reduce((sum, { cuts }) => sum + cuts, 0),
    p50: spread(runs.map(({ delaysMs }) => percentile(delaysMs, 0.5))),
    p99: spread(runs.map(({ delaysMs }) => percentile(delaysMs, 0.99))),
  }));
  const [direct, ours] = found;
  const addedMs = ours!.p50.median - direct!.p50.median;
  return {
    name: 'stream',
    about: 'milliseconds from a token made by the text server to its reading',
    head: ['reader', 'tokens', 'cuts', 'p50', 'min', 'max', 'p99', 'min', 'max'],
    texts: 1,
    rows: found.map(({ reader, tokens, cuts, p50, p99 }) => [
      reader,
      String(tokens),
      String(cuts),
      ...[p50.median, p50.min, p50.max, p99.median, p99.min, p99.max].map(tell),
    ]),
    remarks: [
      `a token every ${PACE.everyMs} ms; the agent sends them on in batches`,
      'every reader has read exactly what was written, else there would be no table',
    ],
    targets: [
      {
        claim: `the way through the edge adds at most ${ADDED_MS_MAX} ms at the median`,
        measured: `${tell(addedMs)} ms`,
        met: addedMs <= ADDED_MS_MAX,
      },
    ],
    figures: { readers: found, added_ms: addedMs },
  };
}
