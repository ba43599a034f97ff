import { expect, it } from 'vitest';
import type { StreamBody } from '#schema/agent-protocol.ts';
import type { ErrorCode } from '#schema/error.ts';
import { BACKOFF_MS_MIN } from '#schema/limits.ts';
import { Bell, TestClock } from './doubles/clock.ts';
import { GRANT } from './doubles/spec.ts';
import { TEXT_BATCH_MS, TEXT_FLUSH_MS_MAX } from './limits.ts';
import { createTextStream } from './text-stream.ts';

function bench(refusals: (ErrorCode | 'hang' | 'gap' | null)[] = []) {
  const clock = new TestClock();
  const bell = new Bell();
  const abort = new AbortController();
  const sent: Pick<StreamBody, 'offset' | 'text'>[] = [];
  let lost = 0;
  const edge = {
    async stream({ offset, text }: StreamBody) {
      sent.push({ offset, text });
      const code = refusals.shift();
      if (code === 'hang') await new Promise(() => {});
      // Later, as an answer is.
      setImmediate(() => bell.ring());
      if (!code || code === 'hang' || code === 'gap') {
        return { ok: true, value: { appended: code !== 'gap' } } as const;
      }
      const failure = { reason: 'refused', code, retryAfterMs: null, detail: '' } as const;
      return { ok: false, failure } as const;
    },
  };
  const onLost = () => void lost++;
  const stream = createTextStream({ edge, grant: GRANT, clock, signal: abort.signal, onLost });
  const seen = (count: number) => bell.until(() => sent.length >= count);
  const answered = () => new Promise<void>((resolve) => void setImmediate(resolve));
  return { clock, sent, stream, seen, answered, lost: () => lost };
}

it('sends the first piece at once and the next ones together, by offset', async () => {
  const { clock, sent, stream, seen, answered } = bench();
  stream.push('a');
  await answered();
  stream.push('b');
  stream.push('€');
  expect(sent).toEqual([{ offset: 0, text: 'a' }]);
  clock.advance(TEXT_BATCH_MS);
  await seen(2);
  expect(sent[1]).toEqual({ offset: 1, text: 'b€' });
});

it('sends the rest at the end without waiting for the next batch', async () => {
  const { sent, stream, answered } = bench();
  stream.push('a');
  await answered();
  stream.push('b');
  await stream.finish();
  expect(sent.map(({ text }) => text).join('')).toBe('ab');
});

it('sends a piece again, from the same offset, when the edge was away', async () => {
  const { clock, sent, stream, seen, answered } = bench(['unavailable']);
  stream.push('a');
  await answered();
  stream.push('b');
  clock.advance(BACKOFF_MS_MIN);
  await seen(2);
  expect(sent).toEqual([
    { offset: 0, text: 'a' },
    { offset: 0, text: 'ab' },
  ]);
});

it('sends the text from its start to an edge that lacks what was before', async () => {
  const { sent, stream, answered } = bench([null, 'gap']);
  stream.push('a');
  await answered();
  stream.push('b');
  await stream.finish();
  expect(sent.map(({ offset, text }) => [offset, text])).toEqual([
    [0, 'a'],
    [1, 'b'],
    [0, 'ab'],
  ]);
});

it.each([
  ['lease_lost', 1],
  ['unauthorized', 0],
  ['invalid_request', 0],
] as const)('gives up after %s and tells of a lost lease %i times', async (code, times) => {
  const { sent, stream, answered, lost } = bench([code]);
  stream.push('a');
  await answered();
  stream.push('b');
  await stream.finish();
  expect([sent.length, lost()]).toEqual([1, times]);
});

it('does not hold the end of a job up for ever', async () => {
  const { clock, stream, answered } = bench(['hang']);
  stream.push('a');
  await answered();
  const end = stream.finish();
  clock.advance(TEXT_FLUSH_MS_MAX);
  await end;
});
