import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TranscriptionSpec } from '#schema/job.ts';
import { render, toCode, toTranscript } from './transcript.ts';

const SPEC: TranscriptionSpec = {
  type: 'transcription',
  model: 'whisper',
  file: 'f',
  language: 'auto',
  translate: false,
  timestamps: 'segment',
  format: 'vtt',
};

it.each([
  ['english', 'en'],
  ['Chinese', 'zh'],
  ['haitian creole', 'ht'],
  ['portuguese', 'pt'],
  ['de', 'de'],
  ['klingon', 'klingon'],
])('the language %s is %s', (name, code) => {
  expect(toCode(name)).toBe(code);
});

describe('a transcript', () => {
  it('escapes what WebVTT takes for markup', () => {
    const told = { text: 'a <b> & c', segments: [{ text: 'a <b> & c', start: 0, end: 3661.5 }] };
    expect(render(toTranscript(told, 4000), SPEC)).toBe(
      'WEBVTT\n\n00:00:00.000 --> 01:01:01.500\na &lt;b&gt; &amp; c\n\n',
    );
  });

  it('keeps tokens apart in languages without spaces', () => {
    const words = [
      { word: ' 你', start: 0, end: 1 },
      { word: '好', start: 1, end: 2 },
    ];
    const told = {
      text: '你好',
      language: 'chinese',
      segments: [{ text: '你好', start: 0, end: 2, words }],
    };
    expect(toTranscript(told, 2).segments[0]!.words.map(({ text }) => text)).toEqual(['你', '好']);
  });

  it('has times that only rise and lie within the recording, whatever the server told', () => {
    const time = fc.option(fc.double({ noNaN: true, min: -5, max: 50 }), { nil: null });
    const segment = fc.record({ text: fc.constantFrom('a', ' ', 'b c'), start: time, end: time });
    fc.assert(
      fc.property(fc.array(segment), fc.integer({ min: 1, max: 30 }), (segments, durationS) => {
        let last = 0;
        for (const { text, start, end } of toTranscript({ text: 'x', segments }, durationS)
          .segments) {
          expect(text.trim()).not.toBe('');
          expect(start).toBeGreaterThanOrEqual(last);
          expect(end).toBeGreaterThanOrEqual(start);
          expect(end).toBeLessThanOrEqual(durationS);
          last = start;
        }
      }),
    );
  });
});
