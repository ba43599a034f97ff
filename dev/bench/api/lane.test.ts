import { ulid } from 'ulid';
import { expect, it } from 'vitest';
import { JobQuery } from '#schema/api.ts';
import { PAGE_MAX } from '#schema/limits.ts';
import { makeLanes } from './lane.ts';

const START = Date.UTC(2026, 10, 22, 12);
const JOBS = 1000;
const EVERY_MS = 20;
const idAt = (at: number) => `job_${ulid(at).toLowerCase()}_main`;
const ids = Array.from({ length: JOBS }, (_, n) => idAt(START + n * EVERY_MS));
const live = [idAt(START + JOBS * EVERY_MS)];
const cursors = ids
  .toReversed()
  .filter((_, n) => n % PAGE_MAX === PAGE_MAX - 1)
  .slice(0, -1);
const lanes = makeLanes({ ids, live, cursors, samples: 10 });
const queries = lanes
  .filter(({ kind }) => kind === 'page')
  .map(({ paths }) => Object.fromEntries(new URL(paths[0]!, 'http://here').searchParams));

it('asks for each old job before it asks for one again, and for live ones alone', () => {
  for (const { name, paths } of lanes.filter(({ kind }) => kind !== 'page')) {
    const wanted = name.includes('live') ? live : ids;
    expect([name, paths.toSorted()]).toEqual([name, wanted.map((id) => `/v1/jobs/${id}`)]);
  }
});

it('asks for pages as the API takes them, each another one', () => {
  expect(queries.map((query) => JobQuery.safeParse(query).success)).not.toContain(false);
  expect(new Set(lanes.map(({ name, everyMs }) => `${name} ${everyMs}`)).size).toBe(lanes.length);
});

it('asks for a span of time that has jobs, and not all', () => {
  const [span] = queries.filter(({ created_after: after }) => after !== undefined);
  const [from, to] = [Date.parse(span!['created_after']!), Date.parse(span!['created_before']!)];
  const within = ids.filter((_, n) => START + n * EVERY_MS > from && START + n * EVERY_MS < to);
  expect(within).toHaveLength(PAGE_MAX - 1);
});
