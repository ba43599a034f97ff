import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { PLANS } from '#schema/plan.ts';
import { HttpWorld } from '../../test/http.ts';
import type { HttpAgent } from '../../test/http.ts';
import { stubOutside } from '../../test/outside.ts';
import { TestChat } from '../../test/talk.ts';

let world: HttpWorld;
let agent: HttpAgent;

beforeAll(async () => {
  world = new HttpWorld();
  agent = await world.newAgent(['painter', 'sdxl']);
});
beforeEach(() => {
  stubOutside(() => Promise.reject(new TypeError('nobody is there')));
});
afterEach(() => {
  vi.unstubAllGlobals();
});

describe('a request', () => {
  it('whose words are too long is told by how much', async () => {
    const told = await new TestChat(world).text('a long hall, '.repeat(400));
    expect(told).toContain('your words are too long, 4,000 characters are the most');
  });
});

describe('a request for what the bot does not make', () => {
  it('is told of the bot that does, where there is one', async () => {
    const asked = 'make a video of a boat';
    const without = await new TestChat(world).text(asked);
    expect(without).toBe('You asked for a video, but here I make pictures.');
    const bot = world.env.bots.get('hook-telegram')!;
    const film = { ...bot, id: 'film', type: 'video', username: 'film_bot' };
    const both = new HttpWorld({ BOTS: JSON.stringify([bot, film]) });
    expect(await new TestChat(both).text(asked)).toBe(`${without} @film_bot makes videos.`);
  });

  it('is told of the bot that listens, where a voice note came', async () => {
    const attachments = [{ kind: 'voice', source: 'v', name: 'voice.ogg', bytes: 9 }] as const;
    const bot = world.env.bots.get('hook-telegram')!;
    const scribe = { ...bot, id: 'scribe', type: 'transcription', username: 'scribe_bot' };
    const both = new HttpWorld({ BOTS: JSON.stringify([bot, scribe]) });
    const told = await new TestChat(both).text('', { attachments: [...attachments] });
    expect(told).toContain('such a file');
    expect(told).toContain('@scribe_bot writes down recordings.');
  });
});

describe('a user with as many jobs as the plan allows', () => {
  it('may ask for another as soon as one has ended, though its end is not settled', async () => {
    const chat = new TestChat(world);
    for (let count = 0; count < PLANS.free.jobsOpenMax; count += 1) {
      await chat.text(`a boat, 256x256, seed ${count}, using painter`);
    }
    expect(await chat.text('a hill, 256x256, using painter')).toContain('5 jobs under way');
    await agent.finish(await agent.take());
    expect(await chat.text('a bridge, 256x256, using painter')).toContain('seed');
    for (let count = 0; count < PLANS.free.jobsOpenMax; count += 1) {
      await agent.finish(await agent.take());
    }
  });
});
