import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { encodeAction } from '../chat/action.ts';
import type { JobDeed } from '../chat/message.ts';
import {
  chatEvent,
  interaction,
  nextId,
  pressUpdate,
  sendInteraction,
  sendUpdate,
  signDiscord,
  textUpdate,
} from '../test/chat.ts';
import { expectError, HttpWorld } from '../test/http.ts';
import type { HttpAgent } from '../test/http.ts';
import { FakeTelegram } from '../test/telegram.ts';
import { strayUpdates } from '../test/updates.ts';
import { bindings, eventually } from '../test/world.ts';

let world: HttpWorld;
let agent: HttpAgent;
let telegram: FakeTelegram;

beforeAll(async () => {
  // The conversations of all tests see the settings of the Worker itself.
  world = new HttpWorld({ POOLS: 'main' });
  agent = await world.newAgent();
});
beforeEach(() => {
  telegram = new FakeTelegram();
  telegram.install();
});
afterEach(() => {
  vi.unstubAllGlobals();
});

/** A user with a private chat of its own. */
function newUser() {
  const userId = 100_000 + nextId();
  const say = async (text: string) => {
    const response = await sendUpdate(world, textUpdate(text, { userId }));
    expect(response.status).toBe(200);
  };
  const press = async (deed: JobDeed, jobId: string) => {
    const data = encodeAction({ kind: 'job', deed, jobId, index: 0 }, null);
    const response = await sendUpdate(world, pressUpdate(data, { userId }));
    expect(response.status).toBe(200);
  };
  const texts = () => telegram.chat(String(userId)).map(({ text }) => text);
  const hears = (part: string) =>
    eventually(async () => texts().find((text) => text.includes(part)));
  return { userId, say, press, texts, hears };
}

/** The next job, once it has come through the queue. */
function takeJob() {
  return eventually(async () => (await agent.acquire()).job);
}

describe('a chat with a Telegram bot', () => {
  it('greets, makes a picture, shows it, and makes another with a new seed at a press', async () => {
    const user = newUser();
    await user.say('/start');
    expect(await user.hears('20 tokens a day')).toContain('Hello Ada!');
    await user.say('a lighthouse at dusk, 512x512, seed 7, using painter');
    await user.hears('512x512 · 20 steps · seed 7 · 0.25 tokens');
    const job = await takeJob();
    expect(job.spec).toMatchObject({ prompt: 'a lighthouse at dusk', seed: 7, width: 512 });
    await agent.finish(job);
    await eventually(async () =>
      telegram.chat(String(user.userId)).some(({ file }) => file !== null),
    );
    await user.press('again', job.jobId);
    const again = await takeJob();
    expect(again.spec).toMatchObject({ prompt: 'a lighthouse at dusk', width: 512 });
    expect(again.spec).not.toMatchObject({ seed: 7 });
    await agent.finish(again);
  });

  it('takes each update once, however often it comes', async () => {
    const user = newUser();
    const update = textUpdate('a boat, 512x512, using painter', { userId: user.userId });
    for (let count = 0; count < 3; count += 1) {
      expect((await sendUpdate(world, update)).status).toBe(200);
    }
    await user.hears('a boat');
    await agent.finish(await takeJob());
    await user.say('/plan');
    expect(await user.hears('left of')).toContain('19.75 tokens left');
  });

  it('means the last job with status and cancel, and knows another by its id', async () => {
    const user = newUser();
    await user.say('/status');
    await user.hears('You have no job yet');
    await user.say('a boat, 512x512, using painter');
    await user.hears('a boat');
    await user.say('how long will it take?');
    await eventually(
      async () => user.texts().filter((text) => text.includes('a boat')).length === 2,
    );
    await user.say('/cancel');
    expect(await user.hears('Cancelled.')).toBeTruthy();
    await user.say('/status job_01k00000000000000000000000_main');
    await user.hears('not there any more');
  });

  it('lets nobody else use the buttons of a job', async () => {
    const [ada, eve] = [newUser(), newUser()];
    await ada.say('a boat, 512x512, using painter');
    const job = await takeJob();
    for (const deed of ['again', 'cancel', 'delete', 'retry', 'publish', 'vary'] as const) {
      await eve.press(deed, job.jobId);
    }
    await eve.say('/plan');
    expect(await eve.hears('left of')).toContain('20 tokens left');
    await agent.finish(job);
    expect((await agent.acquire()).job).toBeNull();
  });

  it('asks about what it does not understand, and charges nothing for that', async () => {
    const user = newUser();
    await user.say('a staircase with 30 steps');
    await user.hears('a setting, or a part of what the picture shows?');
    expect((await agent.acquire()).job).toBeNull();
    const sent = telegram.calls.findLast(({ method }) => method === 'sendMessage')!;
    const markup = sent.params['reply_markup'] as {
      inline_keyboard: { callback_data: string }[][];
    };
    const [[, scene]] = markup.inline_keyboard as [[unknown, { callback_data: string }]];
    await sendUpdate(world, pressUpdate(scene.callback_data, { userId: user.userId }));
    const job = await takeJob();
    expect(job.spec).toMatchObject({ prompt: 'a staircase with 30 steps' });
    await agent.finish(job);
    await sendUpdate(world, pressUpdate(scene.callback_data, { userId: user.userId }));
    await user.say('/plan');
    expect(await user.hears('left of')).not.toContain('18 tokens');
  });

  it('says plainly why not, and what would do: tokens, plan, machines', async () => {
    const user = newUser();
    await user.say('a boat, 2048x2048, using painter');
    expect(await user.hears('needs Pro')).toContain('It cost nothing.');
    await user.say('a boat, using flux dev');
    await user.hears('needs Starter');
    await user.say('a boat, using sdxl');
    await user.hears('No machine that can run sdxl is on just now.');
  });

  it('does not repeat the words of a request against the rules, and makes nothing of it', async () => {
    const user = newUser();
    await user.say('nude teen porn');
    expect(await user.hears('against the rules')).not.toContain('teen');
    expect((await agent.acquire()).job).toBeNull();
  });

  it('keeps to a group where it is meant, and to the rule of those who run the group', async () => {
    const chatId = -1_000_000 - nextId();
    const userId = 100_000 + nextId();
    await sendUpdate(world, textUpdate('a boat for everybody', { userId, chatId }));
    await sendUpdate(world, textUpdate('/generate a boat', { userId, chatId }));
    const update = textUpdate('/tessera@hook_bot off', { userId, chatId });
    const entities = [{ type: 'bot_command', offset: 0, length: 17 }];
    const named = { ...update, message: { ...update.message, entities } };
    await sendUpdate(world, named);
    // The double knows no administrators.
    await eventually(async () =>
      telegram.chat(String(chatId)).some(({ text }) => text.includes('Only those who run')),
    );
    expect(telegram.chat(String(chatId))).toHaveLength(1);
  });

  it('takes the rule of a group along when it becomes a supergroup', async () => {
    const userId = 100_000 + nextId();
    const [chatId, newId] = [-1_000_000 - nextId(), -1_000_000 - nextId()];
    const say = (id: number, text: string) => {
      const update = textUpdate(text, { userId, chatId: id });
      const entities = [{ type: 'bot_command', offset: 0, length: text.indexOf(' ') }];
      return sendUpdate(world, { ...update, message: { ...update.message, entities } });
    };
    const texts = (id: number) => telegram.chat(String(id)).map(({ text }) => text);
    telegram.admins.add(String(userId));
    await say(chatId, '/tessera@hook_bot off');
    await eventually(async () => texts(chatId).some((text) => text.includes('I am off')));
    const { message, update_id } = textUpdate('', { userId, chatId });
    const moved = { ...message, text: undefined, migrate_to_chat_id: newId };
    const response = await sendUpdate(world, { update_id, message: moved });
    expect(response.status).toBe(200);
    await say(newId, '/generate@hook_bot a boat');
    await eventually(async () => texts(newId).some((text) => text.includes('switched this off')));
  });

  it('leaves with Telegram what there is no room for, to be sent again', async () => {
    const full = { getByName: () => ({ accept: async () => 'full' }) };
    const CONVERSATION = full as unknown as typeof bindings.CONVERSATION;
    const busy = new HttpWorld({ CONVERSATION });
    const response = await sendUpdate(busy, textUpdate('a boat', { userId: 42 }));
    await expectError(response, 'unavailable');
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
  });

  it('answers an interaction of a user whose bot was taken away, without an error', async () => {
    const other = await sendUpdate(world, textUpdate('hi'), { bot: 'nobody' });
    await expectError(other, 'not_found');
    const wrong = await sendUpdate(world, textUpdate('hi'), { bot: 'hook-discord' });
    await expectError(wrong, 'not_found');
  });
});

describe('stray updates of Telegram', () => {
  it('are taken without an error: 200 of all kinds', async () => {
    for (const update of strayUpdates(200, 5_000_000)) {
      const response = await sendUpdate(world, update);
      expect(response.status, JSON.stringify(update)).toBe(200);
    }
    expect(telegram.calls).toEqual([]);
  });
});

describe('forged calls of Telegram', () => {
  it.each([
    ['no secret', ''],
    ['another secret', 'webhook-secret-of-tests!'],
    ['a shorter one', 'webhook-secret-of-test'],
    ['a huge one', 'w'.repeat(5000)],
  ])('are refused: %s', async (_, secret) => {
    const user = newUser();
    const response = await sendUpdate(world, textUpdate('/start', user), { secret });
    await expectError(response, 'webhook_forbidden');
    expect(user.texts()).toEqual([]);
  });

  it.each([null, 7, [], {}, { update_id: 'x' }, { update_id: 1, message: { text: 7 } }])(
    'with the secret but without sense are taken and dropped: %j',
    async (body) => {
      expect((await sendUpdate(world, body as object)).status).toBe(200);
    },
  );
});

describe('the interactions of a Discord bot', () => {
  const command = (name: string, options: object[] = [], more: object = {}) => ({
    ...interaction(2, { id: '1', name, type: 1, options }),
    ...more,
  });
  const text = (name: string, value: unknown) => ({ name, type: 3, value });

  it('answer the PING and the probes of the verification', async () => {
    const ping = { id: '1', application_id: '7790', type: 1, token: 't', version: 1 };
    const pong = await sendInteraction(world, ping);
    expect(pong.status).toBe(200);
    expect(await pong.json()).toEqual({ type: 1 });
    const probe = await sendInteraction(world, ping, { signature: '0'.repeat(128) });
    await expectError(probe, 'webhook_forbidden');
  });

  it('say at once that an answer will come, and the work goes on', async () => {
    const sent = command('generate', [
      text('prompt', 'a tower, using painter'),
      text('size', '512x512'),
    ]);
    const response = await sendInteraction(world, sent);
    expect(await response.json()).toEqual({ type: 5 });
    const job = await takeJob();
    expect(job.spec).toMatchObject({ prompt: 'a tower', width: 512, height: 512 });
    await agent.finish(job);
  });

  it('whisper what is for one pair of eyes', async () => {
    const response = await sendInteraction(world, command('my-plan'));
    expect(await response.json()).toEqual({ type: 5, data: { flags: 64 } });
  });

  it('suggest models while a command is typed', async () => {
    const options = [{ name: 'model', type: 3, value: 'flu', focused: true }];
    const sent = interaction(4, { id: '1', name: 'generate', type: 1, options });
    const { type, data } = await (
      await sendInteraction(world, sent)
    ).json<{
      type: number;
      data: { choices: { value: string }[] };
    }>();
    expect(type).toBe(8);
    expect(data.choices.map(({ value }) => value)).toEqual(['flux-schnell', 'flux-dev']);
  });

  it('open a form with the old words, and make the same with new ones', async () => {
    const sent = command('generate', [text('prompt', 'a tower, 512x512, seed 5, using painter')]);
    await sendInteraction(world, sent);
    const job = await takeJob();
    await agent.finish(job);
    const custom_id = encodeAction({ kind: 'job', deed: 'edit', jobId: job.jobId, index: 0 }, '77');
    const message = { id: '900', attachments: [] };
    const press = { ...interaction(3, { custom_id, component_type: 2 }), message };
    const form = await (await sendInteraction(world, press)).json<Record<string, unknown>>();
    expect(form['type']).toBe(9);
    expect(JSON.stringify(form)).toContain('"value":"a tower"');
    const filled = {
      custom_id,
      components: [{ type: 18, component: { type: 4, custom_id: 'words', value: 'a bridge' } }],
    };
    const modal = await sendInteraction(world, interaction(5, filled));
    expect(await modal.json()).toEqual({ type: 5 });
    const edited = await takeJob();
    expect(edited.spec).toMatchObject({ prompt: 'a bridge', seed: 5, width: 512 });
    await agent.finish(edited);
  });

  it('let one who keeps order in the server stop and take away, and nothing that costs', async () => {
    const jobId = 'job_01k00000000000000000000000_main';
    const pressAs = async (deed: JobDeed, permissions: number) => {
      const custom_id = encodeAction({ kind: 'job', deed, jobId, index: 0 }, '77');
      const data = { custom_id, component_type: 2 };
      const sent = interaction(3, data, { userId: '78' });
      const member = { ...sent.member, permissions: String(permissions) };
      const message = { id: String(nextId()), attachments: [] };
      const answer = await sendInteraction(world, { ...sent, member, message });
      return (await answer.json<{ type: number }>()).type;
    };
    const [MODERATOR, NOBODY] = [0x2000, 0x800];
    expect(await pressAs('cancel', MODERATOR)).toBe(6);
    expect(await pressAs('delete', MODERATOR)).toBe(5);
    for (const deed of ['cancel', 'delete'] as const) expect(await pressAs(deed, NOBODY)).toBe(4);
    for (const deed of ['again', 'retry', 'vary', 'edit', 'publish'] as const) {
      expect(await pressAs(deed, MODERATOR)).toBe(4);
    }
  });

  it('refuse a stranger at the button at once, for his eyes only', async () => {
    const jobId = 'job_01k00000000000000000000000_main';
    const custom_id = encodeAction({ kind: 'job', deed: 'again', jobId, index: 0 }, '77');
    const message = { id: '900', attachments: [] };
    const data = { custom_id, component_type: 2 };
    const press = { ...interaction(3, data, { userId: '78' }), message };
    expect(await (await sendInteraction(world, press)).json()).toMatchObject({
      type: 4,
      data: { flags: 64 },
    });
    const gone = { ...interaction(3, { custom_id: 'what?', component_type: 2 }), message };
    expect(await (await sendInteraction(world, gone)).json()).toMatchObject({ type: 4 });
  });

  it('are refused when forged, altered, old, replayed or of another application', async () => {
    const sent = command('help');
    const refused = async (response: Promise<Response>) =>
      expectError(await response, 'webhook_forbidden');
    await refused(sendInteraction(world, sent, { signature: '' }));
    await refused(sendInteraction(world, sent, { signature: 'zz'.repeat(64) }));
    await refused(sendInteraction(world, sent, { body: JSON.stringify({ ...sent, id: '2' }) }));
    await refused(sendInteraction(world, sent, { body: `${JSON.stringify(sent)} ` }));
    await refused(sendInteraction(world, sent, { timestamp: '1795000000' }));
    await refused(sendInteraction(world, sent, { at: Date.now() - 3_600_000 }));
    await refused(sendInteraction(world, sent, { at: Date.now() + 3_600_000 }));
    const other = await signDiscord('1795000000', 'other bytes');
    await refused(sendInteraction(world, sent, { signature: other }));
    await refused(sendInteraction(world, { ...sent, application_id: '7791' }));
    expect((await sendInteraction(world, sent)).status).toBe(200);
    const again = sendInteraction(world, sent);
    await expectError(await again, 'webhook_replayed');
  });

  it('of a kind that there is not are refused once they are known to be of Discord', async () => {
    const strange = await sendInteraction(world, { type: 99 });
    await expectError(strange, 'invalid_request');
  });
});

describe('a conversation', () => {
  it('drops what no bot is left to answer', async () => {
    const event = { ...chatEvent({ kind: 'text', text: 'hi', attachments: [], answers: null }) };
    const gone = { ...event, botId: 'gone' };
    const conversation = bindings.CONVERSATION.getByName(`telegram:${event.user.id}`);
    expect(await conversation.accept(gone)).toBe('taken');
    expect(await conversation.accept(gone)).toBe('known');
  });
});
