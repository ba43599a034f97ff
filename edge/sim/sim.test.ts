import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { simulate } from './crew.ts';
import type { Report } from './run.ts';

const SEEDS = 100;
/** For a machine that does much else. */
const SLOW_MS = 240_000;

/** The command line, as a user runs it. */
function runMain(...args: readonly string[]) {
  const main = join(import.meta.dirname, 'main.ts');
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], {
    encoding: 'utf8',
  });
  return { status, output: stdout + stderr };
}

describe('the edge and its agents, under faults', () => {
  it(
    `keep every rule in ${SEEDS} worlds, each the same when it is run again`,
    async () => {
      const reports: Report[] = [];
      const seeds = Array.from({ length: SEEDS }, (_, index) => index + 1);
      await simulate({ seeds, bug: null, threads: 2, stopsEarly: true }, (report) => {
        reports.push(report);
      });
      expect(reports.filter(({ violations }) => violations.length > 0)).toEqual([]);
      expect(reports).toHaveLength(SEEDS);
      const struck = new Map<string, number>();
      for (const { counts } of reports) {
        for (const [what, count] of Object.entries(counts)) {
          struck.set(what, (struck.get(what) ?? 0) + count);
        }
      }
      for (const fault of [
        'ended completed',
        'ended cancelled',
        'crashes of objects',
        'commits lost',
        'crash of a box',
        'freeze of a box',
        'zombie',
        'box offline',
        'rpc answers lost',
        'http requests doubled',
        'alarms rung twice',
        'database errors',
        'deploy',
        'revocation',
        'restarts compared',
      ]) {
        expect(struck.get(fault) ?? 0, fault).toBeGreaterThan(10);
      }
    },
    SLOW_MS,
  );
});

describe('the command line', () => {
  it(
    'tells of a broken rule by its seed and ends with 1',
    () => {
      const { status, output } = runMain('--seed', '1', '--runs', '2', '--bug', 'double-settle');
      expect(output).toMatch(/seed [12] BROKEN what is held is held for open jobs/);
      expect(output).toMatch(/replay: .* --seed [12] --trace/);
      expect(status).toBe(1);
    },
    SLOW_MS,
  );

  it(
    'prints the whole trace of a seed, the same every time',
    () => {
      const [once, again] = [runMain('--seed', '3', '--trace'), runMain('--seed', '3', '--trace')];
      expect(once.status).toBe(0);
      expect(once.output.split('\n').length).toBeGreaterThan(1000);
      expect(again.output).toBe(once.output);
    },
    SLOW_MS,
  );
});
