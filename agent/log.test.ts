import fc from 'fast-check';
import { expect, it } from 'vitest';
import { LOG_LINE_BYTES_MAX } from '#schema/limits.ts';
import { createLog } from './log.ts';

function capture(level: 'debug' | 'info' | 'silent' = 'debug') {
  const lines: string[] = [];
  const log = createLog(level, { write: (line) => void lines.push(line) });
  return { lines, log };
}

it('writes one JSON object a line, with time, level and operation', () => {
  const { lines, log } = capture();
  log.warn('job.lost', { jobId: 'j', fencingToken: 2, nothing: undefined });
  expect(lines).toHaveLength(1);
  expect(lines[0]?.endsWith('\n')).toBe(true);
  const line = JSON.parse(lines[0]!) as Record<string, unknown>;
  expect(line).toEqual({
    level: 'warn',
    at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) as string,
    op: 'job.lost',
    jobId: 'j',
    fencingToken: 2,
  });
});

it('keeps every line within its bound and parseable, whatever it is given', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.anything()), fc.nat(40_000), (fields, length) => {
      const { lines, log } = capture();
      const bulk = { many: Array.from({ length: length % 3000 }, () => 'x') };
      log.info('op', { ...fields, ...bulk, detail: '€'.repeat(length), error: new Error('e') });
      expect(Buffer.byteLength(lines[0]!)).toBeLessThanOrEqual(LOG_LINE_BYTES_MAX);
      expect(JSON.parse(lines[0]!)).toMatchObject({ op: 'op' });
    }),
  );
});

it('writes nothing below its level', () => {
  const { lines, log } = capture('info');
  log.debug('quiet');
  log.info('loud');
  expect(lines).toHaveLength(1);
});
