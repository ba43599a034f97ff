/**
 * Draws values of a schema, and requests of an operation: valid ones, ones with a fault, ones
 * with a wrong credential. All chance comes from fast-check and so from a seed; `known` gives ids
 * that the service gave out, without which no request would get far.
 */
import fc from 'fast-check';
import type { Description, Operation, Parameter, Schema } from './document.ts';

export interface DrawnRequest {
  readonly operation: Operation;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | FormData | Uint8Array<ArrayBuffer> | null;
  readonly credential: 'own' | 'other' | 'none' | 'malformed' | 'stranger' | 'foreign_kind';
}

/** Ids of this form that exist. */
export type KnownIds = (pattern: string) => readonly string[];

export interface Source {
  readonly description: Description;
  readonly known: KnownIds;
  /** Bytes that are a file of a kind that is taken. */
  readonly files: readonly Uint8Array<ArrayBuffer>[];
}

/** Texts of users: short, long, empty, foreign, hostile. */
const TEXTS = fc.oneof(
  {
    weight: 16,
    arbitrary: fc.constantFrom('a lighthouse at dusk', 'a red fox', 'Tell me of the sea.'),
  },
  { weight: 2, arbitrary: fc.string({ maxLength: 40 }) },
  { weight: 2, arbitrary: fc.string({ unit: 'grapheme', maxLength: 40 }) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '<lora:x:1> {a|b} __w__',
      '<lora:x:1>',
      'a nude person',
      "'; drop table job; --",
      '\u0000',
      '\ud800',
      '../../etc/passwd',
      '<script>alert(1)</script>',
      '%00%ff',
      'constructor',
      '__proto__',
    ),
  },
);
const NUMBERS = [-1, 0, 1, 0.5, 2 ** 31, 2 ** 53, -0.0001, 1e308];

/** A request of the operation. */
export function drawRequest(source: Source, operation: Operation): fc.Arbitrary<DrawnRequest> {
  return fc
    .record({
      flaw: fc.constantFrom(
        'none',
        'none',
        'none',
        'body',
        'parameter',
        'header',
      ) as fc.Arbitrary<Flaw>,
      credential: fc.oneof(
        { weight: 12, arbitrary: fc.constant('own' as const) },
        {
          weight: 3,
          arbitrary: fc.constantFrom('other', 'none', 'malformed', 'stranger', 'foreign_kind'),
        },
      ),
    })
    .chain(({ flaw, credential }) =>
      fc
        .record({
          path: drawPath(source, operation, flaw === 'parameter'),
          headers: drawHeaders(source, operation, flaw === 'header'),
          sent: drawBody(source, operation, flaw === 'body'),
        })
        .map(({ path, headers, sent }) => ({
          operation,
          path,
          headers: { ...headers, ...sent.headers },
          body: sent.body,
          credential,
        })),
    );
}

type Flaw = 'none' | 'body' | 'parameter' | 'header';

function drawPath(source: Source, operation: Operation, isFlawed: boolean): fc.Arbitrary<string> {
  const parameters = operation.parameters ?? [];
  const inPath = parameters.filter((parameter) => parameter.in === 'path');
  const inQuery = parameters.filter((parameter) => parameter.in === 'query');
  const junk = isFlawed
    ? TEXTS.filter((text) => text.isWellFormed() && !/^\.{0,2}$/.test(text))
    : null;
  const values = fc.record(
    Object.fromEntries(
      inPath.map(({ name, schema }) => [name, junk ?? drawParameter(source, schema)]),
    ),
  );
  const query = drawSome(inQuery, ({ schema }) =>
    junk ? fc.oneof(junk, fc.constantFrom(...NUMBERS)) : drawParameter(source, schema),
  );
  const extra = isFlawed
    ? fc.option(TEXTS.filter((text) => text.isWellFormed()))
    : fc.constant(null);
  return fc.tuple(values, query, extra).map(([inside, outside, more]) => {
    const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
      encodeURIComponent(asText(inside[name])),
    );
    const search = new URLSearchParams(
      Object.entries(outside).map(([name, value]) => [name, asText(value)]),
    );
    if (more !== null) search.append(more, '1');
    return search.size > 0 ? `${path}?${search.toString()}` : path;
  });
}

function drawHeaders(
  source: Source,
  operation: Operation,
  isFlawed: boolean,
): fc.Arbitrary<Record<string, string>> {
  const inHeader = (operation.parameters ?? []).filter((parameter) => parameter.in === 'header');
  const text = fc.string({ maxLength: 300 }).map((value) => value.replaceAll(/[^ -~]/g, '').trim());
  return drawSome(inHeader, ({ name, schema }) => {
    if (name.toLowerCase() === 'prefer') return fc.constantFrom('wait=0', 'wait=1', 'wait=x', ';;');
    return isFlawed ? text : drawParameter(source, schema);
  }).map((values) =>
    Object.fromEntries(
      Object.entries(values).map(([name, value]) => [
        name,
        asText(value)
          .replaceAll(/[^ -~]/g, '')
          .trim(),
      ]),
    ),
  );
}

/** All that are required, and some of the others. */
function drawSome(
  parameters: readonly Parameter[],
  draw: (parameter: Parameter) => fc.Arbitrary<unknown>,
): fc.Arbitrary<Record<string, unknown>> {
  const all = parameters.map((one) => [one.name, draw(one)] as const);
  const needed = parameters.filter(({ required }) => required === true).map(({ name }) => name);
  return drawSparse(Object.fromEntries(all), needed);
}

const ABSENT = Symbol('absent');

/** All fields that are needed and few of the others: with each more, less is valid. */
function drawSparse(
  fields: Readonly<Record<string, fc.Arbitrary<unknown>>>,
  needed: readonly string[],
): fc.Arbitrary<Record<string, unknown>> {
  const sparse = Object.entries(fields).map(([name, field]) => [
    name,
    needed.includes(name)
      ? field
      : fc.oneof({ weight: 6, arbitrary: fc.constant(ABSENT) }, { weight: 1, arbitrary: field }),
  ]);
  return fc
    .record(Object.fromEntries(sparse) as Record<string, fc.Arbitrary<unknown>>)
    .map((all) => Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ABSENT)));
}

interface Sent {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: DrawnRequest['body'];
}

function drawBody(source: Source, operation: Operation, isFlawed: boolean): fc.Arbitrary<Sent> {
  const content = Object.entries(operation.requestBody?.content ?? {});
  if (content.length === 0) return fc.constant({ headers: {}, body: null });
  return fc.constantFrom(...content).chain(([type, { schema = {} }]) => {
    if (type === 'application/json') return drawJson(source, schema, isFlawed);
    if (type === 'multipart/form-data') return drawForm(source, schema, isFlawed);
    return drawFile(source).map((body) => ({
      headers: {
        'content-type': isFlawed ? 'application/x-nothing' : type.replace('*', 'png'),
        'content-length': String(body.length),
      },
      body,
    }));
  });
}

const JSON_HEADERS = { 'content-type': 'application/json' };

function drawJson(source: Source, schema: Schema, isFlawed: boolean): fc.Arbitrary<Sent> {
  const value = drawValue(source, schema);
  const sent = (drawn: fc.Arbitrary<unknown>): fc.Arbitrary<Sent> =>
    drawn.map((json) => ({ headers: JSON_HEADERS, body: JSON.stringify(json) ?? 'null' }));
  if (!isFlawed) return sent(value);
  const broken: fc.Arbitrary<Sent>[] = [
    fc.constantFrom('{', '', 'null', '[]', '"x"', '{"a":', '\u0000').map((body) => {
      return { headers: JSON_HEADERS, body };
    }),
    fc.constantFrom('text/plain', 'application/xml', 'multipart/form-data', '').map((type) => {
      return { headers: { 'content-type': type }, body: '{}' };
    }),
    sent(fc.constant({ prompt: 'x'.repeat(300 * 1024) })),
  ];
  return fc.oneof(
    { weight: 8, arbitrary: sent(value.chain(drawSpoilt)) },
    { weight: 2, arbitrary: sent(fc.jsonValue()) },
    ...broken,
  );
}

/** A value of which one part is wrong: left out, another, or one too many. */
function drawSpoilt(value: unknown): fc.Arbitrary<unknown> {
  if (value === null || typeof value !== 'object') return fc.jsonValue();
  const keys = Object.keys(value);
  const key = keys.length > 0 ? fc.constantFrom(...keys) : fc.constant('a');
  const other = fc.oneof(fc.jsonValue(), TEXTS, fc.constantFrom(...NUMBERS, null, [], {}));
  return fc
    .tuple(key, other, fc.constantFrom('leave_out', 'replace', 'add', 'descend'))
    .chain(([name, instead, how]) => {
      const own = value as Record<string, unknown>;
      const { [name]: inner, ...rest } = own;
      if (how === 'leave_out') return fc.constant<unknown>(rest);
      if (how === 'replace') return fc.constant<unknown>({ ...own, [name]: instead });
      if (how === 'add') return fc.constant<unknown>({ ...own, surprise: instead });
      return drawSpoilt(inner).map((spoilt): unknown => ({ ...own, [name]: spoilt }));
    });
}

function drawForm(source: Source, given: Schema, isFlawed: boolean): fc.Arbitrary<Sent> {
  const schema = source.description.resolve(given);
  const fields = Object.entries(schema.properties ?? {}).map(
    ([name, field]) => [name, drawField(source, field)] as const,
  );
  const needed = isFlawed ? [] : (schema.required ?? []);
  return drawSparse(Object.fromEntries(fields), needed).map((values) => {
    const form = new FormData();
    for (const [name, value] of Object.entries(values)) {
      for (const item of Array.isArray(value) ? value : [value]) {
        if (item instanceof Uint8Array) form.append(name, new File([item], 'a.png'));
        else form.append(name, typeof item === 'object' ? JSON.stringify(item) : asText(item));
      }
    }
    if (isFlawed) form.append('surprise', '1');
    return { headers: {}, body: form };
  });
}

function drawField(source: Source, given: Schema): fc.Arbitrary<unknown> {
  const field = source.description.resolve(given);
  const choice = field.anyOf?.[0] ?? field.oneOf?.[0];
  if (field.format === 'binary') return drawFile(source);
  return choice ? drawField(source, choice) : drawValue(source, field);
}

function drawFile({ files }: Source): fc.Arbitrary<Uint8Array<ArrayBuffer>> {
  const junk = fc.uint8Array({ maxLength: 64 }).map((bytes) => Uint8Array.from(bytes));
  return fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...files) }, junk);
}

function drawParameter(source: Source, schema: Schema): fc.Arbitrary<unknown> {
  // A URL has no part that is a dot or two: they are resolved before it is sent.
  return drawValue(source, schema).filter((value) => {
    const text = asText(value);
    return text.isWellFormed() && !/^\.{1,2}$/.test(text);
  });
}

/** A value of the schema, most of the time. */
export function drawValue(source: Source, given: Schema): fc.Arbitrary<unknown> {
  const schema = source.description.resolve(given);
  if ('const' in schema) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices) return fc.oneof(...choices.map((one) => drawValue(source, one)));
  const [only] = schema.allOf ?? [];
  if (only) return drawValue(source, only);
  const types = typeof schema.type === 'string' ? [schema.type] : (schema.type ?? ['object']);
  return fc.oneof(...types.map((type) => drawType(source, schema, type)));
}

function drawType(source: Source, schema: Schema, type: string): fc.Arbitrary<unknown> {
  switch (type) {
    case 'null':
      return fc.constant(null);
    case 'boolean':
      return fc.boolean();
    case 'integer':
    case 'number':
      return drawNumber(schema, type);
    case 'string':
      return drawString(source, schema);
    case 'array': {
      const { minItems = 0, maxItems = 3 } = schema;
      const item = schema.items ? drawValue(source, schema.items) : fc.jsonValue();
      return fc.array(item, { minLength: minItems, maxLength: Math.min(maxItems, minItems + 3) });
    }
    default:
      return drawObject(source, schema);
  }
}

function drawObject(source: Source, schema: Schema): fc.Arbitrary<unknown> {
  const properties = Object.entries(schema.properties ?? {});
  if (properties.length > 0) {
    const fields = properties.map(([name, field]) => [name, drawValue(source, field)] as const);
    return drawSparse(Object.fromEntries(fields), schema.required ?? []);
  }
  const more = schema.additionalProperties;
  const value = typeof more === 'object' ? drawValue(source, more) : fc.jsonValue();
  return fc.dictionary(fc.string({ minLength: 1, maxLength: 10 }), value, { maxKeys: 3 });
}

function drawNumber(schema: Schema, type: string): fc.Arbitrary<number> {
  const { minimum = schema.exclusiveMinimum ?? 0, maximum = 1000, multipleOf: step } = schema;
  const min = Math.ceil(minimum);
  const max = Math.max(min, Math.floor(maximum));
  const whole = fc.integer({ min, max });
  if (step !== undefined) return whole.map((value) => Math.max(min, value - (value % step)));
  return type === 'integer'
    ? whole
    : fc.oneof(whole, fc.double({ min: minimum, max: maximum, noNaN: true }));
}

function drawString({ known }: Source, schema: Schema): fc.Arbitrary<string> {
  const { pattern, format, minLength = 0, maxLength = 4000 } = schema;
  if (format === 'date-time') {
    const noInvalidDate = true;
    const [min, max] = [new Date('2026-01-01'), new Date('2027-12-31')];
    return fc.date({ min, max, noInvalidDate }).map((date) => date.toISOString());
  }
  if (format === 'uri')
    return fc.constantFrom('https://example.com/a', 'http://127.0.0.1/', 'ftp://x');
  if (pattern !== undefined) {
    const made = fc.stringMatching(new RegExp(pattern));
    const ids = known(pattern);
    return ids.length > 0
      ? fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...ids) }, made)
      : made;
  }
  return TEXTS.map((text) => text.slice(0, maxLength).padEnd(minLength, 'x'));
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}
