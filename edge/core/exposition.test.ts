import { expect, it } from 'vitest';
import { expose, toHistogram } from './exposition.ts';

it('writes each family with its help, its type and its samples', () => {
  const text = expose([
    {
      name: 'calls_total',
      help: 'Calls.\nAll of them \\ "so far".',
      type: 'counter',
      samples: [
        { labels: { bot: 'a"b\\c\nd', type: 'image' }, value: 3 },
        { labels: {}, value: Infinity },
      ],
    },
    { name: 'nothing', help: 'Left out.', type: 'gauge', samples: [] },
  ]);
  expect(text).toBe(
    [
      String.raw`# HELP calls_total Calls.\nAll of them \\ "so far".`,
      '# TYPE calls_total counter',
      String.raw`calls_total{bot="a\"b\\c\nd",type="image"} 3`,
      'calls_total +Inf',
      '',
    ].join('\n'),
  );
});

it('counts in a histogram whatever is within a bound also within all larger ones', () => {
  const figures = { bounds: [0.5, 1], counts: [2, 0, 1], sum: 9.5 };
  const samples = toHistogram({ bot: 'a' }, figures);
  const text = expose([{ name: 'wait_seconds', help: 'Waits.', type: 'histogram', samples }]);
  expect(text.split('\n').slice(2, -1)).toEqual([
    'wait_seconds_bucket{bot="a",le="0.5"} 2',
    'wait_seconds_bucket{bot="a",le="1"} 2',
    'wait_seconds_bucket{bot="a",le="+Inf"} 3',
    'wait_seconds_sum{bot="a"} 9.5',
    'wait_seconds_count{bot="a"} 3',
  ]);
});
