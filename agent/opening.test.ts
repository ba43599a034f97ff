import { expect, it } from 'vitest';
import { Bell, TestClock } from './doubles/clock.ts';
import { TestEngine } from './doubles/engine.ts';
import { Fleet } from './fleet.ts';
import { OPEN_MS_MAX } from './limits.ts';
import type { Log } from './log.ts';
import { openFleet } from './opening.ts';

/** An engine that says what it has once its start is over, and when that is. */
function slow(bell: Bell) {
  const start = Promise.withResolvers<void>();
  const engine = Object.assign(new TestEngine('slow', ['chat'], bell), {
    away: true,
    survey: async () => {
      bell.ring();
      await start.promise;
      engine.away = false;
    },
  });
  return { engine, start };
}

function open() {
  const clock = new TestClock();
  const bell = new Bell();
  const { engine, start } = slow(bell);
  const logged: string[] = [];
  const note = (op: string) => void logged.push(op);
  const log: Log = { debug: note, info: note, warn: note, error: note };
  const quick = new TestEngine('quick', ['painter'], bell);
  const fleet = new Fleet([quick, engine], { log, askGpu: () => Promise.resolve(null) });
  const late = Promise.withResolvers<void>();
  const opening = openFleet(fleet, { clock, log, onLate: () => late.resolve() });
  return { clock, fleet, start, logged, late, opening };
}

const namesOf = ({ engines }: Awaited<ReturnType<Fleet['discover']>>) =>
  engines.map(({ engine }) => engine);

it('waits for an engine that comes up in time', async () => {
  const { start, opening, logged } = open();
  start.resolve();
  expect(namesOf(await opening)).toEqual(['quick', 'slow']);
  expect(logged).not.toContain('survey.late');
});

it('does not keep the box from working for one that hangs, and tells when it is there', async () => {
  const { clock, fleet, start, opening, logged, late } = open();
  let capabilities: Awaited<typeof opening> | null = null;
  void opening.then((known) => {
    capabilities = known;
  });
  while (capabilities === null) {
    clock.advance(OPEN_MS_MAX);
    await new Promise(setImmediate);
  }
  expect(namesOf(capabilities)).toEqual(['quick']);
  expect(logged).toContain('survey.late');
  start.resolve();
  await late.promise;
  expect(namesOf(await fleet.discover())).toEqual(['quick', 'slow']);
});
