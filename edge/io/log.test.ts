import { expect, it } from 'vitest';
import { LOG_LINE_BYTES_MAX } from '#schema/limits.ts';
import { formatLine } from './log.ts';

const read = (fields: Record<string, unknown>) => JSON.parse(formatLine('info', 'x.y', fields));

it('writes no text of a user, however deep it lies', () => {
  const line = formatLine('info', 'job.submit', {
    spec: { prompt: 'my secret', messages: [{ content: 'my secret' }], width: 512 },
    authorization: 'Bearer secret',
  });
  expect(line).not.toContain('secret');
  expect(JSON.parse(line)).toMatchObject({
    op: 'job.submit',
    spec: { prompt: '[9 chars]', width: 512 },
  });
});

it.each([
  [{ long: 'x'.repeat(100_000) }],
  [{ many: Array.from({ length: 10_000 }, () => 'x') }],
  [{ wide: '😀'.repeat(5000), error: { message: 'z'.repeat(50_000) } }],
])('stays one valid line within its bytes', (fields) => {
  const line = formatLine('error', 'x.y', fields);
  expect(new TextEncoder().encode(line).length).toBeLessThanOrEqual(LOG_LINE_BYTES_MAX);
  expect(line).not.toContain('\n');
  expect(JSON.parse(line)).toMatchObject({ op: 'x.y', level: 'error' });
});

it('takes what JSON does not know', () => {
  expect(read({ big: 1n, none: undefined })).toMatchObject({ big: '1' });
});
