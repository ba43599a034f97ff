import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { JOB_TYPES } from '#schema/model.ts';
import { HttpWorld } from '../../test/http.ts';
import type { HttpAgent } from '../../test/http.ts';
import { stubOutside } from '../../test/outside.ts';
import { TestChat } from '../../test/talk.ts';
import { renderDiscord } from '../discord/render.ts';
import { renderTelegram } from '../telegram/render.ts';

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

describe('the models', () => {
  it('are told with their prices, what the plan has, and which is taken by itself', async () => {
    const chat = new TestChat(world);
    for (const asked of ['/models', '/model', 'which models do you have?', 'list models']) {
      expect(await chat.text(asked)).toContain('Models for pictures');
    }
    const told = await chat.text('models');
    expect(told).toContain(
      'flux-dev – 2 tokens for a 1024x1024 picture, needs Starter, off just now',
    );
    expect(told).toContain('sdxl – 1 token for a 1024x1024 picture. ');
    expect(told).toContain('Without a name I take sdxl. Your plan, Free, has sdxl, painter');
    expect(told).toContain('up to 1024x1024');
    expect(told).toContain('Videos');
    expect(told).toMatch(/wan-2\.1.*from 0\.75 tokens for 5 s of 720p video, needs Pro/);
    expect(chat.labels()).toEqual(['See the plans']);
    expect((await agent.acquire()).job).toBeNull();
  });

  it.each(JOB_TYPES)('fit into one message of either platform: %s', async (type) => {
    const chat = new TestChat(world, { type });
    await chat.text('/models');
    const [sent] = chat.last!.outbound;
    if (sent?.kind !== 'message') throw new Error('a message');
    expect(renderTelegram(sent.reply).text).toMatch(/\.$/);
    expect(renderDiscord(sent.reply).content).toMatch(/\.$/);
  });
});
