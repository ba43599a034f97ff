import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { HttpWorld } from '../../test/http.ts';
import type { HttpAgent } from '../../test/http.ts';
import { stubOutside } from '../../test/outside.ts';
import { TestChat } from '../../test/talk.ts';

let world: HttpWorld;
let agent: HttpAgent;

beforeAll(async () => {
  world = new HttpWorld();
  agent = await world.newAgent(['sdxl', 'painter']);
});
beforeEach(() => {
  stubOutside(() => Promise.reject(new TypeError('nobody is there')));
});
afterEach(() => {
  vi.unstubAllGlobals();
});

/** As much of a PNG as tells its size. */
function png(side: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(64);
  bytes.set([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  bytes.set([0x49, 0x48, 0x44, 0x52], 12);
  bytes.set([8, 2], 24);
  const view = new DataView(bytes.buffer);
  for (const [at, value] of [
    [8, 13],
    [16, side],
    [20, side],
  ] as const) {
    view.setUint32(at, value);
  }
  return bytes;
}

async function makePicture(chat: TestChat): Promise<string> {
  await chat.text('a boat, 512x512, seed 5, using painter');
  const job = await agent.take();
  await agent.finish(job, png(512));
  return job.jobId;
}

const ANSWERS = 'a boat\npainter · 512x512';

describe('a reply to a picture of ours', () => {
  it.each([
    ['make it darker', 'a boat, darker', {}],
    ['now with a red sail, 1024x1024', 'a boat, with a red sail', { width: 1024 }],
    ['16:9', 'a boat', { width: 1024, height: 576 }],
    ['at night, seed 9', 'a boat, at night', { seed: 9 }],
  ])('changes it: %s', async (text, prompt, more) => {
    const chat = new TestChat(world);
    const aboutJobId = await makePicture(chat);
    await chat.text(text, { answers: ANSWERS, aboutJobId });
    const job = await agent.take();
    expect(job.spec).toMatchObject({
      model: 'painter',
      width: 512,
      strength: 0.65,
      ...more,
      prompt,
    });
    expect(job.inputs).toHaveLength(1);
    await agent.finish(job);
  });

  it('is asked about where it may be no more than a remark', async () => {
    const chat = new TestChat(world);
    const aboutJobId = await makePicture(chat);
    const asked = await chat.text('that is my boat', { answers: ANSWERS, aboutJobId });
    expect(asked).toContain('nothing was started');
    expect((await agent.acquire()).job).toBeNull();
    await chat.choose('Yes, make a picture');
    const job = await agent.take();
    expect(job.spec).toMatchObject({ prompt: 'a boat, that is my boat' });
    await agent.finish(job);
  });

  it('says that there is none yet while its job runs', async () => {
    const chat = new TestChat(world);
    await chat.text('a boat, 512x512, using painter');
    const aboutJobId = chat.memory.lastJobId!;
    const told = await chat.text('make it darker', { answers: ANSWERS, aboutJobId });
    expect(told).toContain('no picture of that yet');
    await agent.finish(await agent.take());
    expect((await agent.acquire()).job).toBeNull();
  });

  it('of another is made of the picture itself, without their words', async () => {
    const [owner, other] = [new TestChat(world), new TestChat(world)];
    const aboutJobId = await makePicture(owner);
    stubOutside(({ url }) => {
      const result = { file_path: 'photos/1.png', file_size: 64 };
      const isInfo = url.endsWith('/getFile');
      return Promise.resolve(isInfo ? Response.json({ ok: true, result }) : new Response(png(512)));
    });
    const attachments = [{ kind: 'picture', source: 'f', name: 'a.png', bytes: 64 }] as const;
    const more = { answers: ANSWERS, aboutJobId, attachments: [...attachments] };
    await other.text('with a red sail, using painter', more);
    const job = await agent.take();
    expect(job.spec).toMatchObject({ prompt: 'with a red sail' });
    expect(job.inputs).toHaveLength(1);
    await agent.finish(job);
  });
});

describe('words about what was made last', () => {
  it.each(['again', 'try again'])('start nothing of another bot: %s', async (words) => {
    const chat = new TestChat(world);
    await makePicture(chat);
    const other = new TestChat(world, { type: 'video', userId: chat.userId });
    other.memory.lastJobId = chat.memory.lastJobId;
    expect(await other.text(words)).toContain('was with another bot');
    expect((await agent.acquire()).job).toBeNull();
  });

  it('start nothing where there is no picture to change', async () => {
    const [owner, other] = [new TestChat(world), new TestChat(world)];
    const aboutJobId = await makePicture(owner);
    const told = await other.text('make it darker', { answers: ANSWERS, aboutJobId });
    expect(told).toContain('no picture here that I could change');
    expect((await agent.acquire()).job).toBeNull();
  });

  it('do what its button does', async () => {
    const chat = new TestChat(world);
    expect(await chat.text('again')).toContain('You have no job yet');
    await makePicture(chat);
    await chat.text('again');
    const again = await agent.take();
    expect(again.spec).toMatchObject({ prompt: 'a boat', width: 512 });
    expect(again.spec).not.toMatchObject({ seed: 5 });
    await agent.finish(again, png(512));
    await chat.text('upscale it');
    const larger = await agent.take();
    expect(larger.spec).toMatchObject({ prompt: 'a boat', upscale: 2 });
    await agent.finish(larger);
  });

  it('are asked about where they change it, and then change it', async () => {
    const chat = new TestChat(world);
    await makePicture(chat);
    expect(await chat.text('make it darker')).toContain(
      'reply to it with what should be different',
    );
    expect(chat.labels()).toEqual(['Change my last picture', 'Yes, make a picture']);
    await chat.choose('Change my last picture');
    const job = await agent.take();
    expect(job.spec).toMatchObject({ prompt: 'a boat, darker', width: 512 });
    expect(job.inputs).toHaveLength(1);
    await agent.finish(job);
  });
});
