import { and, eq, inArray, or, sql } from 'drizzle-orm';
import { getTableColumns } from 'drizzle-orm';
import { describe, expect, it } from 'vitest';
import { job } from '#schema/tables/index.ts';
import { parseCondition, parseConflict } from './condition.ts';

const nameOf = new Map<unknown, string>(
  Object.entries(getTableColumns(job)).map(([name, column]) => [column, name]),
);
const row = { id: 'a', accountId: 'x', sequence: 3, finishedAt: null };

describe('a condition', () => {
  it.each([
    ['equal', and(eq(job.id, 'a'), eq(job.accountId, 'x')), true],
    ['one of two differs', and(eq(job.id, 'a'), eq(job.accountId, 'y')), false],
    ['either', or(eq(job.id, 'b'), eq(job.accountId, 'x')), true],
    ['in a list', inArray(job.id, ['b', 'a']), true],
    ['not in a list', inArray(job.id, ['b', 'c']), false],
    ['null compares with nothing', sql`${job.finishedAt} > ${0}`, false],
  ])('holds as in SQL: %s', (_, condition, holds) => {
    expect(parseCondition(condition!, nameOf)(row, row)).toBe(holds);
  });

  it('that is not understood is refused', () => {
    expect(() => parseCondition(sql`${job.id} like ${'a%'}`, nameOf)).toThrow('not understood');
    expect(() => parseCondition(sql`lower(${job.id}) = ${'a'}`, nameOf)).toThrow();
  });
});

describe('a conflict', () => {
  const newer = sql`(id) do update set ${sql.raw('')}
    where excluded.sequence > ${job.sequence} and ${job.finishedAt} is null`;

  it.each([
    ['newer', row, 4, true],
    ['a repeat', row, 3, false],
    ['older', row, 2, false],
    ['newer, but it has ended', { ...row, finishedAt: new Date(0) }, 4, false],
  ])('updates by its condition: %s', (_, known, sequence, updates) => {
    expect(parseConflict(newer, nameOf)?.(known, { ...row, sequence })).toBe(updates);
  });

  it('may be ignored', () => {
    expect(parseConflict(sql`do nothing`, nameOf)).toBeNull();
  });
});
