import { describe, expect, it } from 'vitest';
import { BotList } from '#schema/bot.ts';
import { expectAuthRefusals, expectError, HttpWorld } from '../test/http.ts';

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
