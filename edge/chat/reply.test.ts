import { describe, expect, it } from 'vitest';
import { ERROR_CODES } from '#schema/error.ts';
import type { JobOrder, JobRecord, JobWaiting } from '#schema/record.ts';
import { JOB_TYPES } from '#schema/model.ts';
import { asCreated } from '../account/order.ts';
import { imageSpec, picture, privateChat } from '../core/fixture.ts';
import { renderDiscord } from './discord/render.ts';
import type { Reply, Span } from './message.ts';
import { endReply, progressReply } from './reply/job.ts';
import { balanceReply, helpReply, lowReply, planReply, startReply, upgradeReply } from './reply.ts';
import { renderTelegram } from './telegram/render.ts';

const ID = 'job_01k00000000000000000000000_main';
const ORDER: JobOrder = {
  id: ID,
  accountId: 'acc_01k00000000000000000000000',
  apiKeyId: null,
  requestId: 'req_1',
  tier: 'free',
  spec: { ...imageSpec('sdxl'), prompt: 'a *cat* <@123> [x](y)', steps: 30, seed: 7 },
  metadata: {},
  heldMillitokens: 1000,
  day: '2026-11-22',
  createdAt: 0,
  deadlineAt: null,
  notices: [{ kind: 'chat', courier: 'bot', chat: privateChat({ chatId: '42', userId: '42' }) }],
};
const RECORD: JobRecord = {
  ...asCreated(ORDER).record,
  status: 'queued',
  sequence: 2,
  queuedAt: 0,
};
const WAITING: JobWaiting = {
  position: 3,
  ahead: { admin: 0, pro: 1, starter: 0, free: 2 },
  aheadMs: { admin: 0, pro: 10_000, starter: 0, free: 20_000 },
  modelState: 'resident',
  agents: 1,
  reason: 'Jobs that go first: 1 of higher plans and 2 of the same plan.',
  earliestStartAt: 120_000,
  latestStartAt: 300_000,
};
const PICTURE = picture({ bytes: 1000, width: 1024, height: 1024 });

function plain({ text }: Reply): string {
  return text.map((span: Span) => (typeof span === 'string' ? span : span.text)).join('');
}
function labels({ buttons }: Reply): string[] {
  return buttons.flat().map(({ label }) => label);
}
const progress = (more: Partial<Parameters<typeof progressReply>[0]>) =>
  progressReply({ record: RECORD, waiting: null, progress: null, now: 0, sister: null, ...more });

describe('a job under way', () => {
  it('shows what was understood, its price, its place, the estimate and why it waits', () => {
    const reply = progress({ waiting: WAITING });
    const said = plain(reply);
    expect(said).toContain('a *cat*');
    expect(said).toContain('sdxl · 1024x1024 · 30 steps · seed 7 · 1 token');
    expect(said).toContain('Number 3 in line');
    expect(said).toContain('Starts in 2 min to 5 min.');
    expect(said).toContain('1 of higher plans');
    expect(labels(reply)).toEqual(['Cancel']);
  });

  it('shows the work in steps, and a free sister bot when there is one', () => {
    const record = { ...RECORD, status: 'running', attempt: 2 } as const;
    const stage = { fraction: 0.43, stage: 'running', step: 13, steps: 30 } as const;
    const sister = { name: '@other_bot', url: 'https://t.me/other_bot' };
    const said = plain(progress({ record, progress: stage, sister }));
    expect(said).toContain('▰▰▰▰▱▱▱▱▱▱ 43%');
    expect(said).toContain('Step 13 of 30');
    expect(said).toContain('Attempt 2');
    expect(said).toContain('@other_bot');
  });

  it('offers no second cancel once one was asked for', () => {
    const reply = progress({ record: { ...RECORD, status: 'running', cancelRequestedAt: 1 } });
    expect(plain(reply)).toContain('Stopping');
    expect(reply.buttons).toEqual([]);
  });
});

describe('a job that ended', () => {
  const done = {
    ...RECORD,
    status: 'completed',
    startedAt: 1000,
    finishedAt: 13_400,
    settledMillitokens: 1000,
    artifacts: [PICTURE],
  } as const;

  it('gives the result with its figures and what can be done with it', () => {
    const reply = endReply({ record: done, text: null });
    expect(plain(reply)).toContain('12.4 s');
    expect(plain(reply)).toContain('1 token');
    expect(reply.media).toEqual([
      { as: 'picture', name: '01k00000000000000000000000-0.png', artifact: PICTURE },
    ]);
    expect(labels(reply)).toEqual(['Again', 'Vary', 'Upscale', 'Edit', 'Make public', 'Delete']);
    const two = { ...done, artifacts: [PICTURE, { ...PICTURE, index: 1 }] };
    const { buttons } = endReply({ record: two, text: null });
    expect(buttons[1]).toMatchObject([
      { label: 'Vary 1', action: { deed: 'vary', index: 0 } },
      { label: 'Vary 2', action: { deed: 'vary', index: 1 } },
    ]);
    expect(buttons[2]?.map(({ label }) => label)).toEqual(['Upscale 1', 'Upscale 2']);
    expect(reply.ownerId).toBe('42');
  });

  it('offers only what the model can do', () => {
    const record = { ...done, spec: { ...imageSpec('flux-schnell'), upscale: 2 } } as const;
    expect(labels(endReply({ record, text: null }))).not.toContain('Upscale');
  });

  it('shows text itself instead of a file', () => {
    const reply = endReply({ record: done, text: 'The sea is wide.' });
    expect(plain(reply)).toContain('The sea is wide.');
    expect(reply.media).toEqual([]);
  });

  it.each(ERROR_CODES)(
    'says in plain words why it failed, and that it cost nothing: %s',
    (code) => {
      const error = { code, message: 'in other words' };
      const reply = endReply({ record: { ...RECORD, status: 'failed', error }, text: null });
      expect(plain(reply)).toContain('It cost nothing.');
      expect(plain(reply)).not.toContain(code);
      const finals = ['content_blocked', 'input_unreadable', 'result_too_large'];
      const isFinal = finals.includes(code);
      expect(labels(reply)).toEqual(isFinal ? [] : ['Try again']);
    },
  );

  it('tells what a cancelled job has cost', () => {
    const record = { ...RECORD, status: 'cancelled', settledMillitokens: 250 } as const;
    expect(plain(endReply({ record, text: null }))).toContain('cost 0.25 tokens');
    const free = { ...record, settledMillitokens: 0 };
    expect(plain(endReply({ record: free, text: null }))).toContain('It cost nothing.');
  });
});

describe('plans', () => {
  const balance = {
    plan: 'free',
    limitMillitokens: 20_000,
    availableMillitokens: 3500,
    renewsInMs: 3 * 3_600_000,
    jobsOpen: 1,
  } as const;

  it.each(JOB_TYPES)('explains the free plan in three lines at first: %s', (type) => {
    const reply = startReply({ type, platform: 'telegram' }, 'Ada', balance);
    expect(plain(reply).split('\n')).toHaveLength(3);
    expect(plain(reply)).toContain('20 tokens a day');
    expect(reply.buttons.length > 0).toBe(type !== 'transcription');
    expect(plain(helpReply({ type, platform: 'telegram' }))).toContain('/plan –');
    const onDiscord = { type, platform: 'discord' } as const;
    expect(plain(startReply(onDiscord, 'Ada', balance))).toContain('/generate');
    expect(plain(helpReply(onDiscord))).toContain('/my-plan –');
  });

  it('calls nothing free that needs a plan, and shows the way to it', () => {
    const video = { type: 'video', platform: 'telegram' } as const;
    const reply = startReply(video, 'Ada', balance);
    expect(plain(reply)).toContain('videos need Pro, $12 a month');
    expect(plain(reply)).not.toContain('It is free');
    expect(labels(reply)).toEqual(['See the plans']);
    const pro = startReply(video, 'Ada', { ...balance, plan: 'pro' });
    expect(labels(pro)).not.toContain('See the plans');
  });

  it('tells what is left, when it renews, and where there is more', () => {
    const reply = balanceReply(balance);
    expect(plain(reply)).toContain("3.5 tokens left of today's 20 tokens, new in 3 h (00:00 UTC)");
    expect(labels(reply)).toEqual(['See the plans']);
    expect(reply.isPrivate).toBe(true);
    const offer = upgradeReply('free', 'https://tessera.example/#plans');
    expect(plain(offer)).toContain('Free (yours)');
    expect(offer.buttons).toEqual([
      [{ label: 'See the plans', url: 'https://tessera.example/#plans' }],
    ]);
    expect(plain(lowReply(balance, 'https://tessera.example/#plans'))).toContain('3.5 tokens left');
    expect(plain(planReply('pro'))).toContain('You are on Pro now. 300 tokens a day');
  });
});

describe('rendering', () => {
  const odd: Reply = {
    text: [
      'Hello\n',
      { kind: 'quote', text: 'a *cat* <@123> `x` [y](z)\n# no title' },
      { kind: 'bold', text: 'bold_' },
      ' ',
      { kind: 'link', text: 'here', url: 'https://tessera.example/?a=1' },
      { kind: 'code', text: 'job`1' },
      '  ',
    ],
    buttons: [[{ label: 'Cancel', action: { kind: 'job', deed: 'cancel', jobId: ID, index: 0 } }]],
    media: [],
    isPrivate: true,
    ownerId: '77',
  };

  it('gives Telegram the words untouched, with entities over exactly what they mark', () => {
    const { text, entities, reply_markup } = renderTelegram(odd);
    expect(text).toContain('a *cat* <@123> `x` [y](z)\n# no title');
    const marked = entities.map(({ type, offset, length }) => [
      type,
      text.slice(offset, offset + length),
    ]);
    expect(marked).toEqual([
      ['blockquote', 'a *cat* <@123> `x` [y](z)\n# no title'],
      ['bold', 'bold_'],
      ['text_link', 'here'],
      ['code', 'job`1'],
    ]);
    expect(reply_markup?.inline_keyboard).toEqual([
      [{ text: 'Cancel', callback_data: 'j:c:01k00000000000000000000000_main:0' }],
    ]);
    expect(text).toBe(text.trimEnd());
  });

  it('gives Discord everything of users escaped, and mentions nobody', () => {
    const { content, components, allowed_mentions, flags } = renderDiscord(odd);
    expect(content).toContain(String.raw`> a \*cat\* \<@123\> \`x\` \[y\](z)`);
    expect(content).toContain(String.raw`> \# no title`);
    expect(content).toContain(String.raw`**bold\_**`);
    expect(content).toContain('[here](<https://tessera.example/?a=1>)');
    expect(allowed_mentions).toEqual({ parse: [] });
    expect(flags).toBe(64 | 4);
    expect(components[0]?.components[0]).toMatchObject({
      custom_id: 'j:c:01k00000000000000000000000_main:0:77',
    });
  });

  it.each([10, 1000, 1023, 1024, 2000, 4095, 4096, 10_000])(
    'keeps within the limits of both, and cuts no character in two: %i',
    (length) => {
      const words = '🎨'.repeat(length / 2) + 'x'.repeat(length % 2);
      for (const text of [[words], [{ kind: 'bold', text: words } as const], ['a', words]]) {
        const reply = { ...odd, text };
        for (const caption of [true, false]) {
          const message = renderTelegram(reply, { caption });
          expect(message.text.length).toBeLessThanOrEqual(caption ? 1024 : 4096);
          expect(message.text.isWellFormed()).toBe(true);
          for (const { offset, length: span } of message.entities) {
            expect(offset + span).toBeLessThanOrEqual(message.text.length);
          }
        }
        const { content } = renderDiscord(reply);
        expect(content.length).toBeLessThanOrEqual(2000);
        expect(content.isWellFormed()).toBe(true);
      }
    },
  );
});
