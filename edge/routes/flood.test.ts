import { Hono } from 'hono';
import { expect, it } from 'vitest';
import type { AppEnv } from '../env.ts';
import { limitFlood } from './flood.ts';
import { Refused } from './wire.ts';

/** An app that lets in two at once and one a second; the clock stands until it is set. */
function makeApp() {
  const clock = { now: 1_800_000_000_000 };
  const app = new Hono<AppEnv>();
  const refusals: Refused[] = [];
  app.onError((error, c) => {
    if (error instanceof Refused) refusals.push(error);
    return c.text('refused', 429);
  });
  app.use(limitFlood({ emissionIntervalMs: 1000, burst: 2 }, () => clock.now));
  app.get('/', (c) => c.text('in'));
  const status = async () => (await app.request('/')).status;
  return { clock, refusals, status };
}

it('lets in a burst, then refuses until time has passed, and says which limit it was', async () => {
  const { clock, refusals, status } = makeApp();
  expect([await status(), await status(), await status()]).toEqual([200, 200, 429]);
  expect(refusals[0]?.wire).toMatchObject({
    code: 'rate_limited',
    details: { scope: 'global' },
    retryAfterMs: 1000,
  });
  clock.now += 999;
  expect(await status()).toBe(429);
  clock.now += 1;
  expect(await status()).toBe(200);
});

it('makes nobody wait for what was refused', async () => {
  const { clock, status } = makeApp();
  for (let count = 0; count < 50; count += 1) await status();
  clock.now += 2000;
  expect([await status(), await status()]).toEqual([200, 200]);
});
