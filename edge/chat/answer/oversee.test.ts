import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { chatEvent } from '../../test/chat.ts';
import { HttpWorld } from '../../test/http.ts';
import type { HttpAgent } from '../../test/http.ts';
import { TestChat } from '../../test/talk.ts';
import { FakeTelegram } from '../../test/telegram.ts';
import type { JobDeed } from '../message.ts';

let world: HttpWorld;
let agent: HttpAgent;
let telegram: FakeTelegram;

beforeAll(async () => {
  world = new HttpWorld();
  agent = await world.newAgent(['painter']);
});
beforeEach(() => {
  telegram = new FakeTelegram();
  telegram.install();
});
afterEach(() => {
  vi.unstubAllGlobals();
});

/** A member of the group, and one who runs it. */
function newGroup() {
  const [member, admin] = [0, 1].map(() => new TestChat(world, { isPrivate: false })) as [
    TestChat,
    TestChat,
  ];
  member.isAdmin = false;
  return { member, admin };
}

/** A request of the member, which the bot shows in the group. */
async function ask(member: TestChat, text = 'a boat, 256x256, using painter'): Promise<string> {
  await member.text(text);
  await member.bringOut();
  return member.memory.lastJobId!;
}

describe('those who run a chat', () => {
  it('stop what another asked for in it', async () => {
    const { member, admin } = newGroup();
    const jobId = await ask(member);
    expect(await admin.job('cancel', jobId)).toBe('(Cancelled.)');
    expect((await agent.acquire()).job).toBeNull();
    expect(await member.text(`/status ${jobId}`)).toContain('Cancelled.');
  });

  it('take a result out of it, which its owner keeps', async () => {
    const { member, admin } = newGroup();
    const jobId = await ask(member);
    await agent.finish(await agent.take());
    expect(await admin.job('delete', jobId)).toContain('Take this out of the chat?');
    const told = await admin.choose('Yes, take it away');
    expect(told).toContain('Taken out of the chat.');
    expect(told).toContain('delete 9');
    expect(admin.last!.outbound).toContainEqual(expect.objectContaining({ kind: 'delete', jobId }));
    await member.job('again', jobId);
    await agent.finish(await agent.take());
  });

  it.each<JobDeed>(['again', 'retry', 'vary', 'upscale', 'edit', 'publish', 'unpublish', 'status'])(
    'do nothing with the job of another that costs or shows it: %s',
    async (deed) => {
      const { member, admin } = newGroup();
      const jobId = await ask(member);
      await agent.finish(await agent.take());
      expect(await admin.job(deed, jobId)).toContain('Only the one who asked for it');
      expect((await agent.acquire()).job).toBeNull();
    },
  );

  it('stop nothing that was asked for elsewhere, whatever the button says', async () => {
    const { admin } = newGroup();
    const elsewhere = new TestChat(world);
    const jobId = await ask(elsewhere);
    expect(await admin.job('cancel', jobId)).toContain('not there any more');
    await agent.finish(await agent.take());
  });

  it('are those whom Telegram calls so, and nobody else', async () => {
    const { member, admin } = newGroup();
    const jobId = await ask(member);
    admin.isAdmin = null;
    expect(await admin.job('cancel', jobId)).toContain('Only the one who asked for it');
    for (const status of [502, 429]) {
      telegram.fail('getChatMember', { status, description: 'Not now' });
      expect(await admin.job('cancel', jobId)).toContain('cannot see just now who runs');
    }
    telegram.admins.add(admin.userId);
    expect(await admin.job('cancel', jobId)).toBe('(Cancelled.)');
    const asked = telegram.calls.filter(({ method }) => method === 'getChatMember');
    expect(asked[0]?.params).toEqual({ chat_id: -100_500, user_id: Number(admin.userId) });
  });
});

describe('one who writes as the group', () => {
  it('sets its rule, and is told why nothing can be made for them', async () => {
    const { member, admin } = newGroup();
    admin.isAnonymous = true;
    expect(await admin.text('/tessera off')).toContain('I am off in this chat');
    member.memory.rule = admin.memory.rule;
    expect(await member.text('a boat')).toContain('switched this off here');
    expect(await admin.text('/tessera on')).toContain('Everything is allowed');
    expect(await admin.text('/tessera')).toContain('/tessera@hook_bot off');
    for (const asked of ['a boat', '/generate a boat', '/plan', '/cancel', '/link', '/models']) {
      expect(await admin.text(asked)).toContain('cannot tell whose tokens');
    }
    expect(await admin.text('/help')).toContain('I make pictures');
    expect(admin.last!.accountId).toBeNull();
    expect((await agent.acquire()).job).toBeNull();
  });

  it('sets no rule as a channel, which may be anybody', async () => {
    const { member } = newGroup();
    member.isAnonymous = true;
    expect(await member.text('/tessera off')).toContain('Only those who run this chat');
    expect(member.memory.rule.off).toBe(false);
    const said = { kind: 'press', action: { kind: 'example', index: 0 } } as const;
    const of = { messageId: '9', hasMedia: false, stands: true, callbackId: '1' } as const;
    const press = { ...said, ...of };
    expect(await member.hear(press, chatEvent(press, member))).toBe('');
  });
});
