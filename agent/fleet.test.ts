import { expect, it } from 'vitest';
import { Bell, TestClock } from './doubles/clock.ts';
import { TestEngine } from './doubles/engine.ts';
import { IMAGE_SPEC, TEXT_SPEC } from './doubles/spec.ts';
import type { Engine, RunContext } from './engines/engine.ts';
import { Fleet } from './fleet.ts';
import { DISCOVER_MS_MAX } from './limits.ts';
import type { Log } from './log.ts';

const quiet: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const GPU = { name: 'RTX', vramMib: 24_000, vramFreeMib: 20_000 };

function fleetOf(engines: readonly Engine[], clock = new TestClock()) {
  const timeout = (ms: number) => clock.timeout(ms);
  return new Fleet(engines, { log: quiet, askGpu: () => Promise.resolve(GPU), timeout });
}

function context(): RunContext {
  const { signal } = new AbortController();
  const ignore = () => {};
  return { signal, directory: 'scratch', onProgress: ignore, onPreview: ignore, onText: ignore };
}

it('announces the engines that answer, and leaves out those that are away', async () => {
  const bell = new Bell();
  const up = new TestEngine('up', ['painter', 'NOT A MODEL'], bell);
  const away = new TestEngine('away', ['chat'], bell);
  away.away = true;
  const fleet = fleetOf([up, away]);
  expect(await fleet.discover()).toEqual({
    gpu: { name: 'RTX', vramMib: 24_000 },
    engines: [{ engine: 'up', version: '1', models: ['painter'] }],
  });
  expect(fleet.vramFreeMib()).toBe(20_000);
  await expect(fleet.run(TEXT_SPEC, context())).rejects.toMatchObject({
    code: 'model_unavailable',
  });
});

it('does not wait for an engine that hangs', async () => {
  const clock = new TestClock();
  const hangs = new TestEngine('hangs', ['chat'], new Bell());
  hangs.discover = (signal?: AbortSignal) =>
    new Promise((_, reject) => {
      signal?.addEventListener('abort', () => reject(new Error('late')));
    });
  const found = fleetOf([hangs], clock).discover();
  clock.advance(DISCOVER_MS_MAX);
  expect((await found).engines).toEqual([]);
});

it('frees the engine that holds the GPU before another one uses it', async () => {
  const bell = new Bell();
  const picture = new TestEngine('picture', ['painter', 'svd'], bell);
  const text = new TestEngine('text', ['chat'], bell);
  picture.loaded = ['svd'];
  const fleet = fleetOf([picture, text]);
  await fleet.discover();
  void fleet.run(TEXT_SPEC, context());
  await bell.until(() => text.busy());
  expect(picture.freed).toBe(1);
  void fleet.run(IMAGE_SPEC, context());
  await bell.until(() => picture.busy());
  expect(text.freed).toBe(0);
});

it('closes every engine, also when one of them fails to', async () => {
  const first = new TestEngine('first', [], new Bell());
  const second = new TestEngine('second', [], new Bell());
  first.close = () => Promise.reject(new Error('stuck'));
  await fleetOf([first, second]).close();
  expect(second.closed).toBe(true);
});
