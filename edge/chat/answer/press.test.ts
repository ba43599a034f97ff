import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { PRESS_REPEAT_MS } from '#schema/chat-limits.ts';
import { chatEvent } from '../../test/chat.ts';
import type { Action } from '../message.ts';
import { HttpWorld } from '../../test/http.ts';
import type { HttpAgent } from '../../test/http.ts';
import { TestChat } from '../../test/talk.ts';
import { FakeTelegram } from '../../test/telegram.ts';
import { eventually } from '../../test/world.ts';

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

async function makePicture(chat: TestChat): Promise<string> {
  await chat.text('a boat, 256x256, seed 5, using painter');
  const job = await agent.take();
  await agent.finish(job);
  return job.jobId;
}

describe('a button', () => {
  it.each(['again', 'retry'] as const)('tapped twice makes one job: %s', async (deed) => {
    const chat = new TestChat(world);
    const jobId = await makePicture(chat);
    await chat.job(deed, jobId);
    chat.stepMs = PRESS_REPEAT_MS - 1;
    expect(await chat.job(deed, jobId)).toBe('(On it already.)');
    expect(chat.last!.outbound).toMatchObject([{ kind: 'note', isAlert: false }]);
    await agent.finish(await agent.take());
    expect((await agent.acquire()).job).toBeNull();
  });

  it('makes one more each time it is pressed later', async () => {
    const chat = new TestChat(world);
    const jobId = await makePicture(chat);
    const made = new Set([jobId]);
    for (let count = 0; count < 3; count += 1) {
      await chat.job('again', jobId);
      const job = await agent.take();
      made.add(job.jobId);
      await agent.finish(job);
      const courier = world.env.botCouriers.getByName('hook-telegram');
      await eventually(async () => courier.isShown(job.jobId));
    }
    expect(made.size).toBe(4);
  });

  it('is not pressed anew, however late, before what came of it can be seen', async () => {
    const chat = new TestChat(world);
    const jobId = await makePicture(chat);
    const release = telegram.hold();
    await chat.job('again', jobId);
    await chat.bringOut();
    chat.stepMs = 20 * PRESS_REPEAT_MS;
    expect(await chat.job('again', jobId)).toBe('(On it already.)');
    await agent.finish(await agent.take());
    expect((await agent.acquire()).job).toBeNull();
    release();
    await eventually(async () => telegram.chat(chat.userId).length > 0);
    const seen = await eventually(async () => {
      const told = await chat.job('again', jobId);
      return told.includes('a boat') ? told : null;
    });
    expect(seen).toContain('a boat');
    await agent.finish(await agent.take());
  });

  it('under another message, or of another kind, is another one', async () => {
    const chat = new TestChat(world);
    const jobId = await makePicture(chat);
    chat.stepMs = 1;
    const again = { kind: 'job', deed: 'again', jobId, index: 0 } as const;
    await chat.press(again, { messageId: '9' });
    await chat.press(again, { messageId: '10' });
    await chat.job('retry', jobId);
    for (let count = 0; count < 3; count += 1) await agent.finish(await agent.take());
    expect((await agent.acquire()).job).toBeNull();
  });

  it('makes one job of a press that is answered again after a fault', async () => {
    const chat = new TestChat(world);
    const jobId = await makePicture(chat);
    const action = { kind: 'job', deed: 'again', jobId, index: 0 } as const;
    const said = {
      kind: 'press',
      action,
      messageId: '9',
      hasMedia: true,
      stands: true,
      callbackId: '1',
    } as const;
    const event = chatEvent(said, chat);
    await chat.hear(said, event);
    // What it has remembered was not yet on disk.
    chat.memory.presses.clear();
    await chat.hear(said, event);
    await agent.finish(await agent.take());
    expect((await agent.acquire()).job).toBeNull();
  });

  it('of Discord that was tapped twice leaves no second answer behind', async () => {
    const chat = new TestChat(world);
    const press = async () => {
      const action = { kind: 'example', index: 0 } as const;
      const of = { messageId: '9', hasMedia: false, stands: true } as const;
      const said = { kind: 'press', action, ...of } as const;
      const event = chatEvent({ ...said, callbackId: null }, chat);
      const place = { ...event.chat, platform: 'discord', interactionToken: 't' } as const;
      await chat.hear({ ...said, callbackId: null }, { ...event, chat: place });
      return chat.last!.outbound;
    };
    await press();
    chat.stepMs = 1;
    expect(await press()).toMatchObject([{ kind: 'delete', messageId: '@original' }]);
    await agent.finish(await agent.take());
    expect((await agent.acquire()).job).toBeNull();
  });
});

describe('a question of ours', () => {
  it('whose answer was tapped twice is answered once, and nobody is told off', async () => {
    const chat = new TestChat(world);
    await chat.text('a staircase with 30 steps');
    const before = chat.buttons();
    const scene = before.find(({ label }) => label.includes('scene'));
    if (!scene || !('action' in scene)) throw new Error('it asks');
    await chat.press(scene.action);
    chat.stepMs = 1;
    expect(await chat.press(scene.action)).toBe('(On it already.)');
    await agent.finish(await agent.take());
    expect((await agent.acquire()).job).toBeNull();
  });

  it('that its message does not have, changes nothing of that message', async () => {
    const chat = new TestChat(world);
    const jobId = await makePicture(chat);
    const wish = { kind: 'job', deed: 'delete', jobId, index: 0 } as const;
    await chat.press(wish, { messageId: '77', stands: false });
    const sure = chat.buttons()[0] as { action: Action };
    await chat.press(sure.action, { messageId: '78', stands: false });
    // The result is deleted all the same: it is the presser's own.
    expect(chat.last!.outbound).toMatchObject([{ kind: 'note' }]);
    expect(await chat.job('again', jobId)).toContain('not there any more');
  });
});
