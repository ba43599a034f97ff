import { describe, expect, it } from 'vitest';
import { MODERATION_ANSWER_BYTES_MAX } from '#schema/limits.ts';
import { ModerationDouble } from '../test/moderation.ts';
import { askModeration } from './moderation.ts';

const SERVER = { url: 'https://judge.example/v1', key: 'k', model: 'm', isClosed: false };

describe('the moderation server', () => {
  it('is asked once about all texts, with its key and model', async () => {
    const double = new ModerationDouble();
    expect(await askModeration(SERVER, ['a', 'b'], double.send)).toEqual({ kind: 'clean' });
    expect(double.asked).toEqual([
      {
        url: 'https://judge.example/v1/moderations',
        key: 'Bearer k',
        model: 'm',
        input: ['a', 'b'],
      },
    ]);
  });

  it('names the gravest category that we block, and its text', async () => {
    const double = new ModerationDouble({ b: ['hate'], c: ['sexual', 'sexual/minors'] });
    expect(await askModeration(SERVER, ['a', 'b', 'c'], double.send)).toEqual({
      kind: 'flagged',
      index: 2,
      category: 'sexual_minors',
      name: 'sexual/minors',
    });
  });

  it.each(['violence', 'harassment', 'self-harm', 'self-harm/intent', 'illicit'])(
    'does not decide about %s',
    async (name) => {
      const double = new ModerationDouble({ a: [name] });
      expect(await askModeration(SERVER, ['a'], double.send)).toEqual({ kind: 'clean' });
    },
  );

  it.each<[string, () => Promise<Response>]>([
    ['does not answer', () => Promise.reject(new TypeError('no route'))],
    ['is broken', async () => new Response('oops', { status: 500 })],
    ['sends us elsewhere', async () => Response.redirect('https://other.example/', 307)],
    ['sends no JSON', async () => new Response('<html>')],
    ['sends another shape', async () => Response.json({ data: [] })],
    ['judges fewer texts', async () => Response.json({ results: [] })],
    ['sends too much', async () => new Response('x'.repeat(MODERATION_ANSWER_BYTES_MAX + 1))],
  ])('counts as away when it %s', async (_, answer) => {
    expect(await askModeration(SERVER, ['a'], answer)).toEqual({ kind: 'away' });
  });

  it('counts as away when it is given up', async () => {
    const send: typeof fetch = async (_, init) => {
      expect(init?.signal).toBeInstanceOf(AbortSignal);
      throw new DOMException('over', 'TimeoutError');
    };
    expect(await askModeration(SERVER, ['a'], send)).toEqual({ kind: 'away' });
  });
});
