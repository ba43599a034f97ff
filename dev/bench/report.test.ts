import { describe, expect, it } from 'vitest';
import type { Machine } from './machine.ts';
import { renderReport, toJson, type Report } from './report.ts';
import { joinModules } from './stand.ts';
import { renderTable, tell } from './table.ts';

const MACHINE: Machine = {
  cpu: 'Test CPU',
  cores: 2,
  memoryGib: 8,
  system: 'Linux',
  node: 'v24.0.0',
  workerd: '1.0.0',
  loadBefore: 0.5,
  at: '2026-01-01T00:00:00.000Z',
};
const REPORT: Report = {
  name: 'sums',
  about: 'sums per second',
  head: ['system', 'rate'],
  texts: 1,
  rows: [
    ['one', '12'],
    ['another', '1234'],
  ],
  remarks: ['third: skipped'],
  targets: [
    { claim: 'at least 10', measured: '12', met: true },
    { claim: 'at least 20', measured: '12', met: false },
  ],
  figures: { runs: [{ system: 'one', rate: 12 }] },
};

describe('renderReport', () => {
  it('says what was measured, on which machine, and which targets were missed', () => {
    expect(renderReport(REPORT, MACHINE).split('\n')).toEqual([
      'sums: sums per second',
      '2 cores of Test CPU, 8 GiB, Linux, node v24.0.0, workerd 1.0.0, load before 0.5',
      '',
      'system   rate',
      '-------  ----',
      'one        12',
      'another  1234',
      '',
      'third: skipped',
      '',
      'met     at least 10: 12',
      'MISSED  at least 20: 12',
    ]);
  });
});

describe('toJson', () => {
  it('holds the figures beside the machine and the targets', () => {
    expect(JSON.parse(toJson(REPORT, MACHINE))).toEqual({
      name: 'sums',
      about: 'sums per second',
      machine: MACHINE,
      runs: [{ system: 'one', rate: 12 }],
      targets: REPORT.targets,
      remarks: ['third: skipped'],
    });
  });
});

describe('renderTable', () => {
  it('aligns texts to the left and figures to the right, without trailing blanks', () => {
    expect(
      renderTable(
        ['a', 'b', 'c'],
        [
          ['x', 'longer', '1'],
          ['yy', 'z'],
        ],
        2,
      ),
    ).toBe(['a   b       c', '--  ------  -', 'x   longer  1', 'yy  z'].join('\n'));
  });
});

describe('tell', () => {
  it.each([
    [0, '0'],
    [0.012345, '0.0123'],
    [1.2345, '1.23'],
    [12.345, '12.3'],
    [123.45, '123'],
    [123_456, '123456'],
    [-1.2345, '-1.23'],
  ])('writes %d with three significant digits', (value, text) => {
    expect(tell(value)).toBe(text);
  });
});

describe('joinModules', () => {
  it('gives the probe what the bundle exports, under the exported names', () => {
    const bundle = 'const a = 1;\nexport {\n  a as Account,\n  b,\n  w as default\n};\n// end\n';
    expect(joinModules(bundle, 'export default BUNDLE;')).toBe(
      'const a = 1;\nconst BUNDLE = { "Account": a, "b": b, "default": w };\nexport default BUNDLE;',
    );
  });

  it('refuses a bundle that exports nothing', () => {
    expect(() => joinModules('const a = 1;', '')).toThrow('ends with its exports');
  });
});
