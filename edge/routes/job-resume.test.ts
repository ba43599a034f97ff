import { describe, expect, it } from 'vitest';
import type { LeasedJob } from '#schema/agent-protocol.ts';
import type { HttpAgent } from '../test/http.ts';
import { CHAT, HttpWorld } from '../test/http.ts';

/** Pieces whose characters have one to four bytes, and whose JSON is escaped. */
const PIECES = ['The ', 'sea "é', '\n𝄞', ' wi', 'de\\', '\u2028.', ' ✓'];
const FIRST_TRY = ['The ', 'rain'];

/** One event as its bytes came. */
interface RawEvent {
  readonly id: number | null;
  readonly name: string;
  readonly raw: string;
}

/** A client that keeps what it saw, and may leave after any number of events. */
class Client {
  readonly seen: RawEvent[] = [];
  readonly #world: HttpWorld;
  readonly #key: string;
  readonly #path: string;

  constructor(world: HttpWorld, key: string, jobId: string) {
    this.#world = world;
    this.#key = key;
    this.#path = `/v1/jobs/${jobId}/events`;
  }

  get lastId(): number {
    return this.seen.findLast(({ id }) => id !== null)?.id ?? 0;
  }

  /** Connects and reads `count` more events that carry an id; false at the stream's end. */
  async read(count: number, { cutInside = false } = {}): Promise<boolean> {
    const headers = { 'last-event-id': String(this.lastId) };
    const response = await this.#world.get(this.#path, this.#key, headers);
    expect(response.status).toBe(200);
    const reader = response.body!.getReader();
    const decoder = new TextDecoder();
    let text = '';
    let left = count;
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return false;
        text += decoder.decode(value, { stream: true });
        for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
          // The last event is cut in its middle: such a client has not got it.
          if (left === 0 && cutInside) return true;
          const event = parse(text.slice(0, end + 2));
          text = text.slice(end + 2);
          if (!event || event.id === null) continue;
          if (left === 0) return true;
          this.seen.push(event);
          left -= 1;
        }
        if (left === 0) return true;
      }
    } finally {
      await reader.cancel();
    }
  }
}

function parse(raw: string): RawEvent | null {
  const name = fieldOf(raw, 'event');
  const id = fieldOf(raw, 'id');
  return name === null ? null : { id: id === null ? null : Number(id), name, raw };
}

/** A field of an event: its lines end with line feeds, and with nothing else that looks so. */
function fieldOf(raw: string, name: string): string | null {
  const line = raw.split('\n').find((one) => one.startsWith(`${name}: `));
  return line?.slice(name.length + 2) ?? null;
}

async function streamAll(agent: HttpAgent, job: LeasedJob, pieces: readonly string[]) {
  let offset = 0;
  for (const piece of pieces) {
    expect(await (await agent.stream(job, offset, piece)).json()).toEqual({ appended: true });
    offset += piece.length;
  }
}

/** A job whose first attempt was lost in the middle of its words, and whose second is done. */
async function openEnded() {
  const world = new HttpWorld();
  const [{ api_key: key }, agent] = await Promise.all([
    world.newAccount(),
    world.newAgent(['chat']),
  ]);
  const { id } = await world.newJob(key, CHAT);
  const first = await agent.take();
  await streamAll(agent, first, FIRST_TRY);
  await agent.giveBack(first);
  const second = await agent.take();
  await streamAll(agent, second, PIECES);
  await agent.complete(second, { usage: { completionTokens: 7 } });
  return { world, key, id };
}

/** Text events byte by byte; of a state its id, since its URLs are signed anew each time. */
function compared(events: readonly RawEvent[]): string[] {
  return events.map(({ id, name, raw }) => (name === 'text' ? raw : `${name} ${id}`));
}

function textOf(events: readonly RawEvent[]): string {
  const texts = events.filter(({ name }) => name === 'text');
  return texts.map(({ raw }) => JSON.parse(fieldOf(raw, 'data')!).text as string).join('');
}

describe('a stream that is cut and resumed', () => {
  it('is the same after a cut at each of its events, byte for byte', async () => {
    const { world, key, id } = await openEnded();
    const whole = new Client(world, key, id);
    expect(await whole.read(Infinity)).toBe(false);
    expect(textOf(whole.seen)).toBe(PIECES.join(''));
    expect(whole.seen.length).toBeGreaterThanOrEqual(PIECES.length + 1);
    for (let cut = 0; cut <= whole.seen.length; cut += 1) {
      for (const cutInside of [false, true]) {
        const client = new Client(world, key, id);
        if (cut > 0) await client.read(cut, { cutInside });
        expect(client.seen).toHaveLength(cut);
        await client.read(Infinity);
        expect(compared(client.seen), `cut after ${cut}`).toEqual(compared(whole.seen));
      }
    }
  });

  it('is whole for a client that loses its line after every event while the job runs', async () => {
    const world = new HttpWorld();
    const [{ api_key: key }, agent] = await Promise.all([
      world.newAccount(),
      world.newAgent(['chat']),
    ]);
    const { id } = await world.newJob(key, CHAT);
    const client = new Client(world, key, id);
    await client.read(1);
    const job = await agent.take();
    await client.read(1);
    let offset = 0;
    for (const piece of PIECES) {
      await agent.stream(job, offset, piece);
      offset += piece.length;
      await client.read(1);
      expect(textOf(client.seen)).toBe(PIECES.join('').slice(0, offset));
    }
    await agent.complete(job, { usage: { completionTokens: 7 } });
    await client.read(Infinity);
    const ids = client.seen.map((event) => event.id);
    expect(ids).toEqual([...new Set(ids)].toSorted((a, b) => a! - b!));
    expect(client.seen.map(({ name }) => name)).toEqual([
      ...['state', 'state', ...PIECES.map(() => 'text'), 'state'],
    ]);
    expect(await client.read(Infinity)).toBe(false);
    expect(client.seen).toHaveLength(ids.length);
  });
});
