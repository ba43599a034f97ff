import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test';
import { describe, expect, it } from 'vitest';
import { FEED_READERS_MAX } from '#schema/limits.ts';
import type { JobRecord } from '#schema/record.ts';
import { asCreated } from '../account/order.ts';
import { picture } from '../core/fixture.ts';
import { bindings, eventually, newOrder, stubOf } from '../test/world.ts';
import { EventReader, textOf } from '../test/events.ts';

const ORIGIN = 'https://tessera.test';
const ENDED = { status: 'completed', finishedAt: 3, settledMillitokens: 250 } as const;

function newRecord(more: Partial<JobRecord> = {}): JobRecord {
  return {
    ...asCreated(newOrder('main', 'acc_x')).record,
    status: 'queued',
    queuedAt: 1,
    ...more,
  };
}

function open(record: JobRecord) {
  const feed = bindings.FEED.getByName(record.id);
  const subscribe = async (lastEventId = 0, known = record) => {
    const reader = await feed.subscribe({ record: known, lastEventId, origin: ORIGIN });
    return new EventReader(reader!.events, reader!.place);
  };
  return { feed, subscribe, stub: stubOf(feed) };
}

function tablesOf(stub: DurableObjectStub): Promise<string[]> {
  return runInDurableObject(stub, (_, state) =>
    state.storage.sql
      .exec<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table'")
      .toArray()
      .map(({ name }) => name)
      .filter((name) => !name.startsWith('_cf')),
  );
}

describe('a reader', () => {
  it('gets the state it brought, then each newer one, then the end', async () => {
    const record = newRecord();
    const { feed, subscribe } = open(record);
    const reader = await subscribe();
    expect(await reader.next()).toMatchObject({ event: 'state', data: { status: 'queued' } });
    await feed.publish({ ...record, status: 'running', sequence: 2, attempt: 1, startedAt: 2 });
    expect(await reader.next()).toMatchObject({ event: 'state', data: { status: 'running' } });
    await feed.publish({ ...record, ...ENDED, sequence: 3, attempt: 1 });
    expect(await reader.next()).toMatchObject({ event: 'state', data: { status: 'completed' } });
    expect(await reader.next()).toBeNull();
  });

  it('gets a repeated or older record once only', async () => {
    const record = newRecord();
    const { feed, subscribe } = open(record);
    const reader = await subscribe();
    const running = { ...record, status: 'running', sequence: 2, attempt: 1 } as const;
    expect((await reader.next())?.data['sequence']).toBe(1);
    for (const known of [running, running, record]) await feed.publish(known);
    expect((await reader.next())?.data['sequence']).toBe(2);
    await feed.publish({ ...running, ...ENDED, sequence: 3 });
    const states = await reader.rest();
    expect(states.map(({ data }) => data['sequence'])).toEqual([3]);
  });

  it('gets progress and the newest preview without ids, and only the newest when it joins', async () => {
    const record = newRecord({ status: 'running', sequence: 2, attempt: 1 });
    const { feed, subscribe } = open(record);
    const early = await subscribe();
    await early.next();
    const progress = { fraction: 0.1, stage: 'running', step: 2, steps: 20 } as const;
    const preview = { content_type: 'image/png', data: 'AAAA' } as const;
    await feed.progress(progress, null);
    expect(await early.next()).toEqual({ event: 'progress', data: progress });
    await feed.progress({ ...progress, fraction: 0.5 }, preview);
    expect(await early.next()).toMatchObject({ event: 'progress', data: { fraction: 0.5 } });
    expect(await early.next()).toEqual({ event: 'preview', data: preview });
    const late = await subscribe();
    expect(await late.next()).toMatchObject({
      event: 'state',
      data: { progress: { fraction: 0.5 } },
    });
    expect(await late.next()).toMatchObject({ event: 'progress', data: { fraction: 0.5 } });
  });

  it('sees signed URLs of its own origin', async () => {
    const { subscribe } = open(newRecord({ ...ENDED, sequence: 3, artifacts: [picture()] }));
    const [state] = await (await subscribe()).rest();
    const [view] = state!.data['artifacts'] as { url: string }[];
    expect(view!.url).toMatch(/^https:\/\/tessera\.test\/media\/result\/x\/1\/0\.png\?expires=/);
  });

  it('of too many is turned away, and a place that was left is free again', async () => {
    const record = newRecord();
    const { feed, subscribe, stub } = open(record);
    const readers = await Promise.all(Array.from({ length: FEED_READERS_MAX }, () => subscribe()));
    expect(await feed.subscribe({ record, lastEventId: 0, origin: ORIGIN })).toBeNull();
    await readers[0]!.cancel();
    const again = await eventually(() =>
      feed.subscribe({ record, lastEventId: 0, origin: ORIGIN }),
    );
    await again.events.cancel();
    again.place[Symbol.dispose]();
    await Promise.all(readers.slice(1).map((reader) => reader.cancel()));
    // Nothing keeps the object awake.
    await evictDurableObject(stub);
  });
});

describe('text', () => {
  const running = () => newRecord({ status: 'running', sequence: 2, attempt: 1 });

  it('is appended by offset; a repeat changes nothing and a gap is refused', async () => {
    const record = running();
    const { feed, subscribe } = open(record);
    expect(await feed.text(1, { offset: 0, text: 'Hello ' })).toBe(true);
    expect(await feed.text(1, { offset: 0, text: 'Hello ' })).toBe(true);
    expect(await feed.text(1, { offset: 7, text: 'lost' })).toBe(false);
    expect(await feed.text(1, { offset: 3, text: 'lo world' })).toBe(true);
    await feed.publish({ ...record, ...ENDED, sequence: 3 });
    const texts = (await (await subscribe()).rest()).filter(({ event }) => event === 'text');
    expect(textOf(texts)).toBe('Hello world');
  });

  it('of a newer attempt starts anew and that of an older one changes nothing', async () => {
    const record = running();
    const { feed, subscribe } = open(record);
    await feed.text(1, { offset: 0, text: 'first' });
    expect(await feed.text(2, { offset: 5, text: 'middle' })).toBe(false);
    expect(await feed.text(2, { offset: 0, text: 'second' })).toBe(true);
    expect(await feed.text(1, { offset: 5, text: ' stale' })).toBe(true);
    await feed.publish({ ...record, ...ENDED, sequence: 5, attempt: 2 });
    const events = await (await subscribe()).rest();
    expect(events.map(({ event, data }) => data['text'] ?? event)).toEqual(['second', 'state']);
  });

  it('keeps halves of a surrogate pair apart and whole', async () => {
    const record = running();
    const { feed, subscribe } = open(record);
    await feed.text(1, { offset: 0, text: '\ud83d' });
    await feed.text(1, { offset: 1, text: '\ude00' });
    await feed.publish({ ...record, ...ENDED, sequence: 3 });
    const events = await (await subscribe()).rest();
    expect(textOf(events)).toBe('😀');
  });

  it('is replayed after any event id with nothing missing and nothing twice', async () => {
    const record = running();
    const { feed, subscribe, stub } = open(record);
    const first = await subscribe();
    for (let index = 0; index < 20; index += 1) {
      await feed.text(1, { offset: index * 2, text: `${String(index).padStart(2, '0')}` });
    }
    await first.cancel();
    await evictDurableObject(stub);
    await feed.publish({ ...record, ...ENDED, sequence: 3 });
    const all = await (await subscribe()).rest();
    const ids = all.map(({ id }) => id!);
    expect(ids).toEqual(ids.toSorted((a, b) => a - b));
    expect(new Set(ids).size).toBe(21);
    for (const [index, id] of ids.entries()) {
      const rest = await (await subscribe(id)).rest();
      expect(rest.map((event) => event.id)).toEqual(ids.slice(index + 1));
    }
  });

  it('reaches a reader while it is written', async () => {
    const record = running();
    const { feed, subscribe } = open(record);
    const reader = await subscribe();
    await reader.next();
    await feed.text(1, { offset: 0, text: 'one' });
    const told = await reader.next();
    expect(told).toMatchObject({ event: 'text', data: { offset: 0, text: 'one' } });
    await reader.cancel();
    const again = await subscribe(told!.id);
    await feed.text(1, { offset: 3, text: 'two' });
    expect(await again.next()).toMatchObject({ event: 'text', data: { offset: 3, text: 'two' } });
  });
});

describe('the object', () => {
  it('stores nothing for a reader of a job that has ended', async () => {
    const { subscribe, stub } = open(newRecord({ ...ENDED, sequence: 3 }));
    expect(await (await subscribe()).rest()).toHaveLength(1);
    expect(await tablesOf(stub)).toEqual([]);
    expect(await runDurableObjectAlarm(stub)).toBe(false);
  });

  it('remembers the state over an eviction and counts ids on', async () => {
    const record = newRecord({ status: 'running', sequence: 2, attempt: 1 });
    const { feed, subscribe, stub } = open(record);
    const reader = await subscribe();
    const first = await reader.next();
    await reader.cancel();
    await evictDurableObject(stub);
    await feed.text(1, { offset: 0, text: 'on' });
    const again = await (await subscribe(first!.id, record)).next();
    expect(again).toMatchObject({ event: 'text', data: { text: 'on' } });
    expect(again!.id).toBeGreaterThan(first!.id!);
  });

  it('deletes everything by its alarm after the end', async () => {
    const record = newRecord({ status: 'running', sequence: 2, attempt: 1 });
    const { feed, stub } = open(record);
    await feed.text(1, { offset: 0, text: 'on' });
    await feed.publish({ ...record, ...ENDED, sequence: 3 });
    expect(await tablesOf(stub)).toContain('text_event');
    expect(await runDurableObjectAlarm(stub)).toBe(true);
    expect(await tablesOf(stub)).toEqual([]);
    expect(await runDurableObjectAlarm(stub)).toBe(false);
    await evictDurableObject(stub);
    await feed.publish({ ...record, ...ENDED, sequence: 3 });
    expect(await runDurableObjectAlarm(stub)).toBe(true);
    expect(await tablesOf(stub)).toEqual([]);
  });

  it('keeps a job that still runs when an alarm comes, and sets another', async () => {
    const record = newRecord({ status: 'running', sequence: 2, attempt: 1 });
    const { feed, stub } = open(record);
    await feed.text(1, { offset: 0, text: 'on' });
    expect(await runDurableObjectAlarm(stub)).toBe(true);
    expect(await tablesOf(stub)).toContain('text_event');
    const alarm = await runInDurableObject(stub, (_, state) => state.storage.getAlarm());
    expect(alarm).toBeGreaterThan(Date.now());
  });
});
