import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SentFile } from '#schema/file.ts';
import { FORM_PARTS_MAX } from '#schema/form-limits.ts';
import { JSON_BODY_BYTES_MAX } from '#schema/limits.ts';
import type { FormEntry } from './parse-form.ts';
import { parseForm, readForm } from './parse-form.ts';

const MANY = 1_000_000;
const encode = (text: string) => new TextEncoder().encode(text);

/** A form as the platform writes it. */
async function write(entries: readonly (readonly [string, string | File])[]) {
  const form = new FormData();
  for (const [name, value] of entries) {
    if (typeof value === 'string') form.append(name, value);
    else form.append(name, value, value.name);
  }
  const written = new Response(form);
  const type = written.headers.get('content-type')!;
  return { type, bytes: await written.bytes() };
}

function request(type: string, body: BodyInit, headers: Record<string, string> = {}): Request {
  return new Request('http://127.0.0.1/', {
    method: 'POST',
    body,
    headers: { 'content-type': type, ...headers },
  });
}

/** What was read, with the content of each file. */
function show(entries: readonly FormEntry[]) {
  return entries.map(([name, value]) =>
    typeof value === 'string'
      ? [name, value]
      : [name, { file: value.name, bytes: [...value.take()] }],
  );
}

/** The entries of a form whose parts are these texts, as `--X` separates them. */
function parse(...parts: string[]) {
  const body = `${parts.map((part) => `--X\r\n${part}\r\n`).join('')}--X--\r\n`;
  const parsed = parseForm(encode(body), 'X');
  if (!parsed.ok) throw new Error(parsed.error.reason);
  return show(parsed.value);
}

describe('a form', () => {
  it('is read as the platform wrote it, whatever its fields and files say', async () => {
    const line = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 });
    const name = line.filter((text) => !/[\r\n\\]/.test(text) && text.isWellFormed());
    const value = fc.string({ maxLength: 50 }).map((text) => text.replaceAll(/\r\n?|\n/g, '\r\n'));
    const bytes = fc.uint8Array({ maxLength: 200 });
    const file = fc.tuple(name, bytes).map(([title, content]) => new File([content], title));
    const entry = fc.tuple(name, fc.oneof(value, file));
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { maxLength: 6 }), async (entries) => {
        const { type, bytes: body } = await write(entries);
        const read = await readForm(request(type, body), MANY);
        const expected = await Promise.all(
          entries.map(async ([title, one]) =>
            typeof one === 'string'
              ? [title, one]
              : [title, { file: one.name, bytes: [...(await one.bytes())] }],
          ),
        );
        expect(read.ok && show(read.value)).toEqual(expected);
      }),
      { numRuns: 200 },
    );
  });

  it('is held in memory once: its files are views of one buffer, and taken once', async () => {
    const contents = [new Uint8Array(100_000).fill(7), new Uint8Array(50_000).fill(9)];
    const files = contents.map((bytes, index) => ['f', new File([bytes], `${index}`)] as const);
    const { type, bytes } = await write(files);
    const headers = { 'content-length': String(bytes.length) };
    const read = await readForm(request(type, bytes, headers), MANY);
    const sent = (read.ok ? read.value : []).map(([, file]) => file as SentFile);
    const taken = sent.map((file) => file.take());
    expect(taken).toEqual(contents);
    expect(new Set(taken.map(({ buffer }) => buffer)).size).toBe(1);
    expect(taken[0]!.buffer.byteLength).toBe(bytes.length);
    expect(() => sent[0]!.take()).toThrow('taken once');
  });

  it('that is cut anywhere is refused', async () => {
    const { type, bytes } = await write([
      ['prompt', 'a boat'],
      ['image', new File([new Uint8Array([13, 10, 45, 45, 13])], 'boat.png')],
    ]);
    const boundary = type.split('boundary=')[1]!.replaceAll('"', '');
    // What follows the last two dashes is not part of it.
    const end = bytes.lastIndexOf(45) + 1;
    expect(parseForm(bytes.subarray(0, end), boundary)).toMatchObject({ ok: true });
    for (let length = 0; length < end; length += 1) {
      expect(parseForm(bytes.subarray(0, length), boundary), `${length} bytes`).toEqual({
        ok: false,
        error: { reason: 'form_unreadable' },
      });
    }
  });

  it.each([
    ['content-disposition:form-data;name=n', 'n', null],
    ['Content-Type: text/plain\r\nContent-Disposition: form-data; name="n"', 'n', null],
    ['Content-Disposition: form-data; name="a%22b"; filename="c%0D%0Ad"', 'a"b', 'c\r\nd'],
    ['Content-Disposition: form-data; name="a\\"b"; filename="c\\\\d"', 'a"b', 'c\\d'],
    ["Content-Disposition: form-data; name=n; filename*=utf-8''na%C3%AFve.wav", 'n', 'naïve.wav'],
    ['Content-Disposition: form-data; name="n"; filename=""', 'n', ''],
  ])('names its parts as %s', (head, name, filename) => {
    const content = filename === null ? 'x' : { file: filename, bytes: [120] };
    expect(parse(`${head}\r\n\r\nx`)).toEqual([[name, content]]);
  });

  it('may have something before its first part, and parts that look like its end', () => {
    const tricky = '\r\n--\r\n--Y\r\n-\r\n--';
    const body = `hello\r\n--X  \r\nContent-Disposition: form-data; name="n"\r\n\r\n${tricky}\r\n--X--`;
    const parsed = parseForm(encode(body), 'X');
    expect(parsed.ok && show(parsed.value)).toEqual([['n', tricky]]);
  });

  it.each(['', 'hello', '--X', '--X\r\n', '--X\r\n\r\nx\r\n--X--', '--Xjunk\r\n\r\n\r\n--X--'])(
    'is none in %j',
    (text) => {
      expect(parseForm(encode(text), 'X')).toMatchObject({ ok: false });
    },
  );
});

describe('what is too much', () => {
  const part = '--X\r\nContent-Disposition: form-data; name="n"\r\n\r\n';

  it('is refused by what its length says, and by what comes', async () => {
    const { type, bytes } = await write([['image', new File([new Uint8Array(5000)], 'x')]]);
    const refusal = { ok: false, error: { reason: 'form_too_large', limit: 4000 } };
    const declared = { 'content-length': String(bytes.length) };
    expect(await readForm(request(type, bytes, declared), 4000)).toEqual(refusal);
    const streamed = new Response(bytes).body!;
    expect(await readForm(request(type, streamed), 4000)).toEqual(refusal);
    expect(await readForm(request(type, new Response(bytes).body!), 6000)).toMatchObject({
      ok: true,
    });
  });

  it('is refused as too many parts, or as a field as long as a file', () => {
    const many = `${part}\r\n`.repeat(FORM_PARTS_MAX + 1);
    expect(parseForm(encode(`${many}--X--`), 'X')).toMatchObject({ ok: false });
    const long = `${part}${'x'.repeat(JSON_BODY_BYTES_MAX + 1)}\r\n--X--`;
    expect(parseForm(encode(long), 'X')).toEqual({
      ok: false,
      error: { reason: 'form_too_large', limit: JSON_BODY_BYTES_MAX },
    });
  });

  it('and what breaks off is refused as what it is', async () => {
    const broken = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.error(new Error('the connection was reset')),
    });
    const type = 'multipart/form-data; boundary=X';
    expect(await readForm(request(type, broken), MANY)).toMatchObject({
      error: { reason: 'form_unreadable' },
    });
    expect(await readForm(request('multipart/form-data', 'x'), MANY)).toMatchObject({
      error: { reason: 'form_unreadable' },
    });
  });
});
