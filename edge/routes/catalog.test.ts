import { describe, expect, it } from 'vitest';
import { AccountView, HealthView, ModelList } from '#schema/api.ts';
import { MODELS } from '#schema/model.ts';
import { PLANS } from '#schema/plan.ts';
import { expectAuthRefusals, expectError, HttpWorld } from '../test/http.ts';

describe('GET /v1/models', () => {
  it('lists the catalog without a key, with what is online', async () => {
    const world = new HttpWorld();
    await world.newAgent(['painter']);
    const { data } = ModelList.parse(await (await world.get('/v1/models')).json());
    expect(data.map(({ id }) => id)).toEqual(MODELS.map(({ id }) => id));
    const painter = data.find(({ id }) => id === 'painter');
    expect(painter).toMatchObject({
      object: 'model',
      type: 'image',
      plan: 'free',
      price: { tokens: 1, per: '1024x1024 image' },
      availability: 'installed',
    });
    expect(data.find(({ id }) => id === 'sdxl')?.availability).toBe('offline');
  });
});

describe('GET /v1/account', () => {
  it('shows plan, balance and limits, and how the rate stands', async () => {
    const world = new HttpWorld();
    const { id, api_key } = await world.newAccount('starter');
    const response = await world.get('/v1/account', api_key);
    expect(AccountView.parse(await response.json())).toMatchObject({
      id,
      plan: 'starter',
      balance: { limit: 120, spent: 0, held: 0, available: 120 },
      limits: { requests_per_minute: 120, jobs_open: 50, side_px: 1536 },
      jobs_open: 0,
    });
    expect(response.headers.get('ratelimit-limit')).toBe('120');
    expect(response.headers.get('ratelimit-remaining')).toBe('119');
    expect(Number(response.headers.get('ratelimit-reset'))).toBeGreaterThanOrEqual(0);
  });

  it('refuses the request after the last one of the rate, and says how long to wait', async () => {
    const world = new HttpWorld();
    const { api_key } = await world.newAccount('starter');
    let response = await world.get('/v1/account', api_key);
    for (let count = 0; response.ok && count < PLANS.starter.requestsPerMinute * 2; count += 1) {
      response = await world.get('/v1/account', api_key);
    }
    expect(response.status).toBe(429);
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect(response.headers.get('ratelimit-remaining')).toBe('0');
    const error = await expectError(response, 'rate_limited');
    expect(error.details).toMatchObject({ scope: 'account', limit: 120 });
  });

  it('opens to no credential but a valid key', async () => {
    await expectAuthRefusals(new HttpWorld(), ['GET', '/v1/account'], { caller: 'account' });
  });
});

describe('GET /health', () => {
  it('is ok when every dependency answers', async () => {
    const world = new HttpWorld();
    await world.newAgent();
    const response = await world.get('/health');
    expect(response.status).toBe(200);
    expect(HealthView.parse(await response.json())).toMatchObject({
      status: 'ok',
      dependencies: { scheduler: 'ok', database: 'ok', storage: 'ok' },
      agents: { online: 1, known: 1 },
    });
  });

  it('is degraded, soon, while the database is away', async () => {
    const response = await new HttpWorld({ DATABASE_WS_PROXY: '127.0.0.1:9/v1' }).get('/health');
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({
      status: 'degraded',
      dependencies: { scheduler: 'ok', database: 'down', storage: 'ok' },
    });
  });
});
