import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { chatEvent } from '../test/chat.ts';
import { HttpWorld } from '../test/http.ts';
import { makeWav } from '../test/media.ts';
import type { HttpAgent } from '../test/http.ts';
import { stubOutside } from '../test/outside.ts';
import { TestChat, wordsOf } from '../test/talk.ts';
import type { ChatOptions } from '../test/talk.ts';
import { meetUser } from '../services/meet-user.ts';
import type { Attachment, Said } from './event.ts';
import type { Action, JobDeed } from './message.ts';

let world: HttpWorld;
let agent: HttpAgent;

beforeAll(async () => {
  world = new HttpWorld();
  agent = await world.newAgent(['painter', 'sdxl', 'whisper', 'chat', 'flite']);
});
beforeEach(() => {
  stubOutside(() => Promise.reject(new TypeError('nobody is there')));
});
afterEach(() => {
  vi.unstubAllGlobals();
});

class Chat extends TestChat {
  constructor(options: ChatOptions = {}) {
    super(world, options);
  }
}

/** As much of a PNG as tells its size. */
function png(width: number, height: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(64);
  bytes.set([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const view = new DataView(bytes.buffer);
  view.setUint32(8, 13);
  bytes.set([0x49, 0x48, 0x44, 0x52], 12);
  view.setUint32(16, width);
  view.setUint32(20, height);
  bytes.set([8, 2], 24);
  return bytes;
}

async function makePicture(chat: Chat, text = 'a boat, 512x512, seed 5, using painter') {
  await chat.text(text);
  const job = await agent.take();
  await agent.finish(job);
  return job.jobId;
}

describe('a request', () => {
  it('makes one job, however often its event is answered', async () => {
    const chat = new Chat();
    const said: Said = {
      kind: 'text',
      text: 'a boat, 512x512, using painter',
      attachments: [],
      answers: null,
    };
    const event = chatEvent(said, chat);
    await chat.hear(said, event);
    const [first] = chat.last!.outbound;
    await chat.hear(said, event);
    expect(chat.last!.outbound[0]).toMatchObject({ key: `${event.id}/0`, kind: 'message' });
    expect(first).toMatchObject({ key: `${event.id}/0`, jobId: expect.stringMatching(/^job_/) });
    await agent.finish(await agent.take());
    expect((await agent.acquire()).job).toBeNull();
  });

  it('hints once when less than a fifth is left, and then says when tokens renew', async () => {
    const chat = new Chat();
    for (let count = 0; count < 4; count += 1) {
      expect(await chat.text('boats, 4 images, 1024x1024, using painter')).not.toContain(
        'left for today',
      );
      await agent.finish(await agent.take());
    }
    const hint = await chat.text('a boat, 1024x1024, using painter');
    expect(hint).toContain('3 tokens left for today');
    await agent.finish(await agent.take());
    const refusal = await chat.text('boats, 4 images, 1024x1024, using painter');
    expect(refusal).toContain('This costs 4 tokens');
    expect(refusal).toContain('you have 3 tokens left of today');
    expect(chat.buttons()).toContainEqual({
      label: 'See the plans',
      url: 'http://127.0.0.1:8787/#plans',
    });
    expect(await chat.choose('Make it 880x880')).toContain('2.96 tokens');
    await agent.finish(await agent.take());
    expect(await chat.text('a boat, 512x512, using painter')).toContain('This costs 0.25 tokens');
  });

  it('offers what the plan allows instead, and makes that at a press, once', async () => {
    const chat = new Chat();
    await chat.text('a boat, 2048x2048, seed 3, using painter');
    expect(chat.labels()).toEqual(['1024x1024', 'See the plans']);
    const pressed = chat.buttons()[0];
    await chat.choose('1024x1024');
    const job = await agent.take();
    expect(job.spec).toMatchObject({ prompt: 'a boat', width: 1024, height: 1024, seed: 3 });
    await agent.finish(job);
    const { action } = pressed as { action: Action };
    expect(await chat.press(action, { messageId: '10' })).toContain('answered already');
    expect((await agent.acquire()).job).toBeNull();
  });

  it('offers a model that takes less, and says what is left out', async () => {
    const chat = new Chat();
    const refusal = await chat.text('a boat without people, using painter');
    expect(refusal).toContain('painter takes no negative prompt');
    expect(chat.labels()).toContain('Without negative prompt');
    await chat.choose('Without negative prompt');
    await agent.finish(await agent.take());
  });

  it('fails as a whole, to be repeated, while the platform does not give its file', async () => {
    const chat = new Chat();
    const attachments = [{ kind: 'picture', source: 'f', name: 'a.jpg', bytes: 9 }] as const;
    const asked = chat.text('as a drawing, using sdxl', { attachments: [...attachments] });
    await expect(asked).rejects.toThrow('did not give the file');
  });

  it('goes on from a text of the bot that it answers', async () => {
    const chat = new Chat({ type: 'text' });
    await chat.text('Name a colour. --max-tokens 50');
    const first = await agent.take();
    expect(first.spec).toMatchObject({ type: 'text', prompt: 'Name a colour.', max_tokens: 50 });
    await agent.complete(first);
    const answers = 'Blue.\n\nAs the sea.\n\nchat · up to 50 tokens of text · 0.01 tokens';
    await chat.text('Another one', { answers });
    const second = await agent.take();
    expect(second.spec).toMatchObject({
      messages: [
        { role: 'assistant', content: 'Blue.\n\nAs the sea.' },
        { role: 'user', content: 'Another one' },
      ],
    });
    await agent.complete(second);
  });

  it('has a voice note written down, and asks for one where there is none', async () => {
    const chat = new Chat({ type: 'transcription' });
    expect(await chat.text('please')).toContain('Send me a voice note');
    const wav = makeWav(1);
    stubOutside(({ url }) => {
      const isInfo = url.endsWith('/getFile');
      const result = { file_path: 'voice/1.oga', file_size: wav.length };
      return Promise.resolve(isInfo ? Response.json({ ok: true, result }) : new Response(wav));
    });
    const attachments: Attachment[] = [
      { kind: 'voice', source: 'v', name: 'voice.ogg', bytes: wav.length },
    ];
    expect(await chat.text('language de, to english', { attachments })).toContain('whisper');
    const job = await agent.take();
    expect(job.spec).toMatchObject({ type: 'transcription', language: 'de', translate: true });
    expect(job.inputs).toHaveLength(1);
    await agent.complete(job);
  });

  it('says aloud what it is told, word for word', async () => {
    const chat = new Chat({ type: 'speech' });
    await chat.text('Hello, 30 steps, seed 7 --voice rms');
    const job = await agent.take();
    expect(job.spec).toMatchObject({ input: 'Hello, 30 steps, seed 7', voice: 'rms' });
    await agent.complete(job);
  });

  it('does nothing with a file that its bot cannot use', async () => {
    const chat = new Chat();
    const attachments = [{ kind: 'other', source: 'f', name: 'a.zip', bytes: 9 }] as const;
    const told = await chat.text('unzip', { attachments: [...attachments] });
    expect(told).toContain('cannot do anything with such a file');
  });
});

describe('what is said in a group about a message of the bot', () => {
  it('is asked about before it costs, unless it asks for something', async () => {
    const chat = new Chat({ isPrivate: false });
    expect(await chat.text('so funny', { answers: 'a result' })).toContain('nothing was started');
    expect((await agent.acquire()).job).toBeNull();
    await chat.text('draw a boat, using painter', { answers: 'a result' });
    await agent.finish(await agent.take());
  });
});

describe('the buttons of a result', () => {
  it('again has a new seed, retry the same, edit other words', async () => {
    const chat = new Chat();
    const jobId = await makePicture(chat);
    await chat.job('again', jobId);
    const again = await agent.take();
    expect(again.spec).toMatchObject({ prompt: 'a boat', width: 512, model: 'painter' });
    expect((again.spec as { seed: number }).seed).not.toBe(5);
    await agent.finish(again);
    await chat.job('retry', jobId);
    const retry = await agent.take();
    expect(retry.spec).toMatchObject({ prompt: 'a boat', seed: 5 });
    await agent.finish(retry);
    const question = await chat.job('edit', jobId);
    expect(question).toContain(jobId);
    await chat.text('a bridge', { answers: question.split('\n---\n')[0]! });
    const edited = await agent.take();
    expect(edited.spec).toMatchObject({ prompt: 'a bridge', seed: 5 });
    await agent.finish(edited);
  });

  it('vary and upscale work from the result itself', async () => {
    const chat = new Chat();
    await chat.text('a boat, 512x512, seed 5, using sdxl');
    const job = await agent.take();
    await agent.finish(job, png(512, 512));
    await chat.job('vary', job.jobId);
    const varied = await agent.take();
    expect(varied.inputs).toHaveLength(1);
    expect(varied.spec).toMatchObject({ prompt: 'a boat', model: 'sdxl', strength: 0.55 });
    expect((varied.spec as { seed: number }).seed).not.toBe(5);
    await agent.finish(varied);
    await chat.job('upscale', job.jobId);
    const larger = await agent.take();
    expect(larger.spec).toMatchObject({ prompt: 'a boat', seed: 5, upscale: 2, strength: 0.2 });
    await agent.finish(larger);
  });

  it('vary makes nothing of a result that is no picture', async () => {
    const chat = new Chat();
    await chat.text('a boat, 512x512, seed 5, using sdxl');
    const job = await agent.take();
    await agent.finish(job);
    expect(await chat.job('vary', job.jobId)).toContain('cannot read files of that kind');
    expect((await agent.acquire()).job).toBeNull();
  });

  it('delete asks first, then takes away result, words and message', async () => {
    const chat = new Chat();
    const jobId = await makePicture(chat);
    expect(await chat.job('delete', jobId)).toContain('Delete this result for good?');
    const stranger = new Chat();
    stranger.memory.questions.set('x', [...chat.memory.questions.values()][0]!);
    const foreign = await stranger.press({ kind: 'draft', draftId: 'x', choice: 0 });
    expect(foreign).toContain('Only the one who asked');
    const told = await chat.choose('Yes, delete it');
    expect(told).toContain('Deleted');
    expect(told).toContain('delete 9');
    expect(await chat.job('again', jobId)).toContain('not there any more');
    expect(await chat.text(`/status ${jobId}`)).toBe('You have deleted the result of that job.');
    expect(chat.labels()).toEqual([]);
    expect((await agent.acquire()).job).toBeNull();
  });

  it('publish and unpublish', async () => {
    const chat = new Chat();
    const jobId = await makePicture(chat);
    expect(await chat.job('publish', jobId)).toContain('in the public gallery');
    expect(await chat.choose('Make private')).toContain('out of the gallery');
  });

  it('cancel stops a job once', async () => {
    const chat = new Chat();
    await chat.text('a boat, 512x512, using painter');
    const jobId = chat.memory.lastJobId!;
    expect(await chat.job('cancel', jobId)).toBe('(Cancelled.)');
    expect(await chat.job('cancel', jobId)).toBe('(That job has ended already.)');
  });

  it.each<JobDeed>(['again', 'retry', 'edit', 'vary', 'upscale', 'delete', 'publish', 'cancel'])(
    'are of no use to others: %s',
    async (deed) => {
      const [owner, stranger] = [new Chat(), new Chat({ isPrivate: false })];
      stranger.isAdmin = false;
      const jobId = await makePicture(owner);
      expect(await stranger.job(deed, jobId)).toBe(
        '(Only the one who asked for it can use these buttons.)',
      );
      expect((await agent.acquire()).job).toBeNull();
    },
  );
});

describe('the rule of a chat', () => {
  it('is set by those who run it alone, and keeps bots or a kind of them away', async () => {
    const chat = new Chat({ isPrivate: false });
    chat.isAdmin = false;
    expect(await chat.text('/tessera off')).toContain('Only those who run this chat');
    chat.isAdmin = true;
    expect(await chat.text('/tessera off image')).toContain('Off in this chat: pictures');
    expect(await chat.text('a boat')).toContain('switched this off here');
    expect(await chat.press({ kind: 'example', index: 0 })).toContain('switched this off here');
    expect(await chat.text('/tessera on image')).toContain('Everything is allowed');
    expect(await chat.text('/tessera off')).toContain('/tessera@hook_bot on');
    expect(await chat.text('/plan')).toContain('switched this off here');
    expect(await chat.text('/tessera on')).toContain('Everything is allowed');
    expect((await agent.acquire()).job).toBeNull();
  });

  it('keeps nobody from stopping and deleting what they have asked for before', async () => {
    const chat = new Chat({ isPrivate: false });
    const jobId = await makePicture(chat);
    await chat.text('a boat, 512x512, using painter');
    await chat.text('/tessera off');
    expect(await chat.text('/cancel')).toBe('Cancelled.');
    expect(await chat.job('again', jobId)).toContain('switched this off here');
    await chat.job('delete', jobId);
    expect(await chat.choose('Yes, delete it')).toContain('Deleted');
  });

  it('is nothing for a private chat', async () => {
    expect(await new Chat().text('/tessera off')).toContain('That is for groups');
  });
});

describe('a user', () => {
  it('has one account over all bots and chats of a platform', async () => {
    const chat = new Chat();
    await chat.text('/start');
    const user = { platform: 'telegram', id: chat.userId, name: 'Ada' } as const;
    const { credential, isNew } = await meetUser(world.env, user, 'req_test');
    expect(isNew).toBe(false);
    expect(await chat.text('/link')).toContain(credential.accountId);
  });

  it('is told what is free at first contact with Discord, which has no first command, once', async () => {
    const chat = new Chat();
    const said: Said = { kind: 'command', name: 'help', words: '', fields: {}, attachments: [] };
    const hear = async () => {
      const event = chatEvent(said, chat);
      const place = { ...event.chat, platform: 'discord', interactionToken: 't' } as const;
      await chat.hear(said, { ...event, chat: place });
      return chat.last!.outbound;
    };
    const [, welcome, ...others] = await hear();
    expect(welcome).toMatchObject({ kind: 'message', reply: { isPrivate: true } });
    expect(wordsOf(welcome!)).toContain('20 tokens a day');
    expect(others).toEqual([]);
    expect(await hear()).toHaveLength(1);
  });

  it('who is blocked is told so, and nothing is made', async () => {
    const chat = new Chat();
    await chat.text('/start');
    const accountId = chat.last!.accountId!;
    const blocked = await world.admin('POST', `/admin/v1/accounts/${accountId}/block`, {
      reason: 'abuse',
    });
    expect(blocked.status, await blocked.clone().text()).toBe(200);
    expect(await chat.text('a boat, 512x512, using painter')).toContain('account is blocked');
    for (const asked of ['/start', '/plan', '/upgrade']) {
      expect(await chat.text(asked)).toContain('account is blocked');
    }
    expect((await agent.acquire()).job).toBeNull();
  });
});
