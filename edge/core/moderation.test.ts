import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JobRequest, toSpec } from '#schema/job.ts';
import { modelsOf } from '#schema/model.ts';
import { judgeTexts, textsOf } from './moderation.ts';
import type { UserText } from './moderation.ts';
import { isOrdinary, toSqueezedWords, toWords } from './moderation/fold.ts';

const FILE = 'file_01k00000000000000000000000';
const picture = (text: string): UserText => ({ kind: 'picture', field: 'prompt', text });
const negative = (text: string): UserText => ({ kind: 'negative', field: 'negative_prompt', text });

describe('the texts of a job', () => {
  it.each([
    [{ type: 'image', prompt: 'a', negative_prompt: 'b' }, ['prompt', 'negative_prompt']],
    [{ type: 'video', prompt: 'a' }, ['prompt', 'negative_prompt']],
    [{ type: 'text', prompt: 'a' }, ['prompt']],
    [
      {
        type: 'text',
        messages: [
          { role: 'system', content: 'a' },
          { role: 'user', content: 'b' },
        ],
      },
      ['prompt', 'messages[0].content', 'messages[1].content'],
    ],
    [{ type: 'speech', input: 'a' }, ['input']],
    [{ type: 'music', prompt: 'a', lyrics: 'b' }, ['prompt', 'lyrics']],
    [{ type: 'transcription', file: FILE }, []],
  ])('are all that its user wrote: %j', (sent, fields) => {
    const request = JobRequest.parse(sent);
    const spec = toSpec(request, modelsOf(request.type)[0]!, 1);
    expect(textsOf(spec).map(({ field }) => field)).toEqual(fields);
  });
});

describe('a verdict', () => {
  it('names the field that is to be changed, and never its words', () => {
    const verdict = judgeTexts([picture('a harbour'), { ...picture('a nude'), field: 'lyrics' }]);
    expect(verdict).toEqual({
      category: 'sexual',
      rule: 'sexual.shown',
      field: 'lyrics',
      severity: 'normal',
    });
  });

  it('is the gravest of all texts', () => {
    const texts = [picture('gore'), picture('nude'), { ...picture('nude child'), field: 'late' }];
    expect(judgeTexts(texts)).toMatchObject({ category: 'sexual_minors', field: 'late' });
  });

  it('is severe for a negative prompt that undresses a minor', () => {
    expect(judgeTexts([picture('portrait of a child'), negative('blurry, clothes')])).toEqual({
      category: 'sexual_minors',
      rule: 'minors.undressed',
      field: 'negative_prompt',
      severity: 'severe',
    });
    expect(judgeTexts([picture('a child'), negative('wet clothes, dirty clothes')])).toBeNull();
    expect(judgeTexts([picture('a lion'), negative('clothes')])).toBeNull();
  });

  it('does not depend on case, or on innocent words around', () => {
    const around = fc.array(fc.constantFrom('harbour', 'green', 'sun', 'of', 'the'), {
      maxLength: 20,
    });
    fc.assert(
      fc.property(around, around, fc.boolean(), (before, after, isUpper) => {
        const text = [...before, 'naked woman', ...after].join(' ');
        const verdict = judgeTexts([picture(isUpper ? text.toUpperCase() : text)]);
        expect(verdict?.category).toBe('sexual');
      }),
    );
  });

  it('is sought in one reading only of a text whose two readings are the same', () => {
    const word = fc.constantFrom('n', 'u', 'nude', 'Sun');
    const sign = fc.constantFrom('', ',', '.', '!', ';', '.!', '-', '3');
    const space = fc.constantFrom('', ' ', '  ', '\n', '\u00a0', '\u2028', '\ufeff');
    fc.assert(
      fc.property(fc.array(fc.tuple(word, sign, space), { maxLength: 4 }), (pieces) => {
        const text = pieces.flat().join('');
        fc.pre(isOrdinary(text));
        expect(toSqueezedWords(text)).toEqual(toWords(text));
      }),
    );
  });

  it.each(['.', '!', '-', "'", '|', 'a.', ' ', '{a|'])(
    'is given in time that grows with the text, not its square: %j over and over',
    (piece) => {
      const text = `a${piece.repeat(150_000 / piece.length)}x`;
      expect(judgeTexts([{ kind: 'words', field: 'input', text }])).toBeNull();
    },
  );

  it('is given for any text at all', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        judgeTexts([picture(text), negative(text), { kind: 'words', field: 'input', text }]);
      }),
    );
  });
});
