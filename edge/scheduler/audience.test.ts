import { describe, expect, it } from 'vitest';
import type { ChatNotice, JobRecord, Notice, WebhookNotice } from '#schema/record.ts';
import { order, privateChat } from '../core/fixture.ts';
import type { Env } from '../env.ts';
import { asCreated } from '../account/order.ts';
import { Audience } from './audience.ts';
import { deliveries } from './deliver.ts';

const CHAT: ChatNotice = {
  kind: 'chat',
  courier: 'painter-bot',
  chat: privateChat(),
};
const HOOK: WebhookNotice = { kind: 'webhook', courier: 'wh_1', url: null, secret: null };

function audienceOf(...notices: Notice[]) {
  const audience = new Audience();
  audience.set('job', Audience.markOf(order(1, { notices })));
  return audience;
}

describe('the audience of a job', () => {
  it.each([
    ['nobody', [], [], []],
    ['an endpoint', [HOOK], [], ['courier']],
    ['a chat', [CHAT], ['courier'], ['courier']],
    ['a chat and an endpoint', [HOOK, CHAT], ['courier'], ['courier']],
  ] as const)('that is %s', (_, notices, changes, end) => {
    const audience = audienceOf(...notices);
    expect(audience.receivers('job', false)).toEqual(changes);
    expect(audience.receivers('job', true)).toEqual(end);
  });

  it('grows by who watches, once, and is gone with the job', () => {
    const audience = audienceOf(HOOK);
    expect(audience.watch('job')).not.toBeNull();
    expect(audience.watch('job')).toBeNull();
    expect(audience.receivers('job', false)).toEqual(['feed']);
    expect(audience.receivers('job', true)).toEqual(['feed', 'courier']);
    audience.drop('job');
    expect(audience.receivers('job', true)).toEqual([]);
  });

  it('is the same after its mark was written and read back', () => {
    const before = audienceOf(CHAT);
    const mark = before.watch('job')!;
    const after = new Audience();
    after.set('job', mark);
    expect([after.isWatched('job'), after.isInChat('job')]).toEqual([true, true]);
  });
});

describe('news of a job', () => {
  function world(record: JobRecord, refuses: string | null = null) {
    const told: string[] = [];
    const couriers = (kind: string) => ({
      getByName: (name: string) => ({
        publish: async ([news]: readonly JobRecord[]) => {
          if (name === refuses) throw new Error('away');
          told.push(`${kind} ${name} ${news!.status}`);
        },
      }),
    });
    const env = { botCouriers: couriers('bot'), webhookCouriers: couriers('webhook') };
    const deliver = deliveries(env as unknown as Env, {
      record: (id) => (id === record.id ? { record, bytes: 1 } : null),
      settlement: () => null,
    });
    return { told, deliver: deliver.courier };
  }
  const running = asCreated(order(1, { id: 'job', notices: [HOOK, CHAT] })).record;
  const ended: JobRecord = { ...running, status: 'completed', sequence: 4 };

  it('reaches the chat at each change and the endpoint at the end', async () => {
    const before = world({ ...running, status: 'running' });
    await before.deliver(['job']);
    expect(before.told).toEqual(['bot painter-bot running']);
    const after = world(ended);
    const delivery = await after.deliver(['job']);
    expect(after.told.toSorted()).toEqual(['bot painter-bot completed', 'webhook wh_1 completed']);
    expect(delivery.arrived).toEqual(new Map([['job', 4]]));
  });

  it('is due again when one courier is away, and is not when the job is gone', async () => {
    const { deliver } = world(ended, 'wh_1');
    const delivery = await deliver(['job', 'forgotten']);
    expect(delivery.failed).toEqual(['job']);
    expect(delivery.arrived).toEqual(new Map([['forgotten', Infinity]]));
  });
});
