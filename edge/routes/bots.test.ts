import { describe, expect, it } from 'vitest';
import { BotList } from '#schema/bot.ts';
import { expectAuthRefusals, expectError, HttpWorld } from '../test/http.ts';
import { bindings } from '../test/world.ts';

const PATH = '/admin/v1/bots';

it('opens to the operator alone', async () => {
  await expectAuthRefusals(new HttpWorld(), ['GET', PATH], { caller: 'admin' });
});

describe('the list of bots', () => {
  it('has each that is configured, with how it stands, and none of their secrets', async () => {
    const world = new HttpWorld();
    const response = await world.admin('GET', PATH);
    const text = await response.text();
    const { data } = BotList.parse(JSON.parse(text));
    expect(data.map(({ id }) => id)).toEqual([...world.env.bots.keys()]);
    expect(data[0]).toMatchObject({ health: { status: 'ok', waiting: 0, given_up: 0 } });
    for (const { token } of world.env.bots.values()) expect(text).not.toContain(`"${token}"`);
  });

  it('is there when a courier is not, whose health is then unknown', async () => {
    const world = new HttpWorld();
    const { BOT_COURIER: couriers } = world.bindings;
    const [broken] = world.env.bots.keys();
    const BOT_COURIER = {
      getByName: (id: string) => {
        if (id === broken) throw new Error('away');
        return couriers.getByName(id);
      },
    };
    const response = await new HttpWorld({ BOT_COURIER }).admin('GET', PATH);
    const { data } = BotList.parse(await response.json());
    expect(data.map(({ health }) => health === null)).toEqual(data.map(({ id }) => id === broken));
  });

  it('is empty where no bot is configured', async () => {
    const response = await new HttpWorld({ BOTS: '[]' }).admin('GET', PATH);
    expect(await response.json()).toEqual({ data: [] });
  });

  it('takes no other method', async () => {
    const response = await new HttpWorld().admin('POST', PATH, {});
    await expectError(response, 'method_not_allowed');
  });
});

describe('the figures of the bots', () => {
  const METRICS = '/admin/v1/metrics';

  it('open to the operator, and to a scraper by its own token', async () => {
    const METRICS_TOKEN = 'a-token-for-scrapers';
    const world = new HttpWorld({ METRICS_TOKEN });
    await expectAuthRefusals(world, ['GET', METRICS], { caller: 'admin' });
    expect((await world.get(METRICS, METRICS_TOKEN)).status).toBe(200);
    await expectError(await world.get(PATH, METRICS_TOKEN), 'unauthorized');
    await expectError(await new HttpWorld().get(METRICS, METRICS_TOKEN), 'unauthorized');
  });

  it('are what Prometheus reads, for each bot and without a secret', async () => {
    const world = new HttpWorld();
    const response = await world.admin('GET', METRICS);
    expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
    const text = await response.text();
    const lines = text.trimEnd().split('\n');
    const LINE = /^(?:# (?:HELP|TYPE) [a-z_]+ .+|[a-z_]+\{(?:[a-z]+="[^"]*",?)+\} [0-9.e+-]+)$/;
    for (const line of lines) expect(line).toMatch(LINE);
    for (const { id, platform, type, token } of world.env.bots.values()) {
      const labels = `bot="${id}",platform="${platform}",type="${type}"`;
      expect(lines).toContain(`tessera_bot_up{${labels}} 1`);
      expect(lines).toContain(`tessera_bot_status{${labels},status="ok"} 1`);
      expect(text).toContain(`tessera_bot_rate_limited_total{${labels}} `);
      expect(text).toContain(`tessera_bot_delivery_seconds_bucket{${labels},le="+Inf"} `);
      expect(text).not.toContain(`"${token}"`);
    }
  });

  it('say of a courier that does not answer that it is down, and nothing else', async () => {
    const { BOT_COURIER: couriers } = bindings;
    const [broken] = new HttpWorld().env.bots.keys();
    const BOT_COURIER = {
      getByName: (id: string) => {
        if (id === broken) throw new Error('away');
        return couriers.getByName(id);
      },
    } as typeof couriers;
    const text = await (await new HttpWorld({ BOT_COURIER }).admin('GET', METRICS)).text();
    const about = text.split('\n').filter((line) => line.includes(`bot="${broken}"`));
    expect(about).toEqual([expect.stringMatching(/^tessera_bot_up\{.+\} 0$/)]);
  });
});
