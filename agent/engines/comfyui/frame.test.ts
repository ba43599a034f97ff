import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromException, fromRefusal, PromptAnswer } from './failure.ts';
import { endOf, filesOf, HistoryEntry, readBinary, readText } from './frame.ts';

describe('frames', () => {
  it('are never taken for more than they are, whatever their bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.json(), (bytes, json) => {
        const event = readBinary(bytes);
        if (event) expect(event.kind).toBe('preview');
        expect(readText(Buffer.from(bytes).toString('latin1'))).toBeNull();
        expect(readText(json)).toBeNull();
      }),
    );
  });

  it('tell a preview by its own first bytes, old and new kind alike', () => {
    const jpeg = [0xff, 0xd8, 1, 2];
    const metadata = [...Buffer.from('{"prompt_id":"p"}')];
    const head = (event: number, second: number) => [0, 0, 0, event, 0, 0, 0, second];
    const old = readBinary(new Uint8Array([...head(1, 1), ...jpeg]));
    expect(old).toMatchObject({ kind: 'preview', promptId: null, contentType: 'image/jpeg' });
    const named = readBinary(new Uint8Array([...head(4, metadata.length), ...metadata, ...jpeg]));
    expect(named).toMatchObject({ promptId: 'p', bytes: new Uint8Array(jpeg) });
    expect(readBinary(new Uint8Array([...head(3, 0), ...jpeg]))).toBeNull();
    expect(readBinary(new Uint8Array([...head(1, 1), 0x42, 0x4d]))).toBeNull();
  });
});

describe('history', () => {
  const entry = (messages: unknown[], status_str = 'error') =>
    HistoryEntry.parse({ status: { status_str, completed: false, messages }, outputs: {} });

  it('calls an end by its messages, not by the status', () => {
    const failed = { node_type: 'KSampler', exception_type: 'E', exception_message: 'm' };
    expect(endOf(entry([['execution_interrupted', {}]])).how).toBe('interrupted');
    expect(endOf(entry([['execution_error', failed]], 'success'))).toEqual({
      how: 'error',
      exception: failed,
    });
    expect(endOf(entry([['execution_success', {}]], 'success')).how).toBe('success');
    expect(endOf(entry([3, ['odd']])).how).toBe('error');
  });

  it('finds kept files under any key, and no previews or other things', () => {
    const file = (filename: string, type: string) => ({ filename, subfolder: 's', type });
    const outputs = {
      a: {
        gifs: [file('1.mp4', 'output')],
        images: [file('2.png', 'temp'), { type: 'output' }, 7],
        animated: [true],
        text: 'words',
      },
    };
    const told = HistoryEntry.parse({ outputs });
    expect(filesOf(told, 'a').map(({ filename }) => filename)).toEqual(['1.mp4']);
    expect(filesOf(told, 'b')).toEqual([]);
  });
});

describe('failures', () => {
  const refusal = (type: string, input_name: string) =>
    PromptAnswer.parse({
      error: { type: 'prompt_outputs_failed_validation', message: 'm', details: '' },
      node_errors: {
        4: { errors: [{ type, message: '', details: '', extra_info: { input_name } }] },
      },
    });

  it.each([
    ['value_not_in_list', 'ckpt_name', 'model_unavailable', true],
    ['value_not_in_list', 'clip_name2', 'model_unavailable', true],
    ['value_not_in_list', 'scheduler', 'engine_rejected', false],
    ['required_input_missing', 'seed', 'engine_rejected', false],
    ['value_bigger_than_max', 'width', 'engine_rejected', false],
    ['custom_validation_failed', 'image', 'engine_rejected', false],
    ['exception_during_inner_validation', 'x', 'engine_rejected', false],
  ])('maps a refusal for %s of %s to %s', (type, input, code, retryable) => {
    expect(fromRefusal(400, refusal(type, input))).toMatchObject({ code, retryable });
  });

  it('maps refusals without a node to codes too', () => {
    const none = PromptAnswer.parse({ error: { type: 'no_prompt', message: '' }, node_errors: {} });
    expect(fromRefusal(400, none)).toMatchObject({ code: 'engine_rejected', retryable: false });
    expect(fromRefusal(500, null)).toMatchObject({ code: 'engine_unavailable', retryable: true });
  });

  it('keeps the words of the engine within bounds', () => {
    const exception = { node_type: 'n', exception_type: 'E', exception_message: 'x'.repeat(9999) };
    expect(fromException(exception).message.length).toBeLessThan(2000);
  });
});
