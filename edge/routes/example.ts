/**
 * Examples for the reference, made of the schemas themselves, so that each is valid and none is
 * forgotten: a value that fits the field's name where there is one, else the plainest that the
 * schema allows. Pure, and the same each time.
 */

/** JSON Schema as the description has it. */
export interface SchemaNode {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly example?: unknown;
  readonly examples?: readonly unknown[];
  readonly default?: unknown;
  readonly allOf?: readonly SchemaNode[];
  readonly anyOf?: readonly SchemaNode[];
  readonly oneOf?: readonly SchemaNode[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | SchemaNode;
  readonly items?: SchemaNode;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly format?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly multipleOf?: number;
}

type Schemas = Readonly<Record<string, SchemaNode>>;

const ULID = '01kc5y8f3m7w2q9r4t6v8x0z1b';
const MEDIA = `https://tessera.example/media/result/job_${ULID}_main/1/0.png`;
const SHA = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

/** By the field's name; the first that the schema takes. */
const NAMED: Readonly<Record<string, readonly unknown[]>> = {
  prompt: ['a lighthouse at dusk, oil on canvas'],
  negative_prompt: ['blurry'],
  input: ['The sea was calm that evening.'],
  lyrics: ['The tide comes in, the tide goes out'],
  content: ['Tell me of the sea.', 'The sea was calm that evening.'],
  text: ['The sea was calm that evening.'],
  message: ['The request as it is cannot be served; see details.'],
  reason: ['Two jobs of your tier go first.', 'a friend of the house'],
  model: ['sdxl', 'painter'],
  name: ['Ada'],
  description: ['orders of the shop'],
  status: ['completed', 'succeeded', 'enabled', 'delivered', 'ok'],
  role: ['user', 'assistant'],
  type: ['image', 'job.completed'],
  plan: ['pro'],
  tier: ['pro'],
  width: [1024],
  height: [768],
  steps: [30],
  step: [12],
  seed: [42],
  fraction: [0.4],
  count: [1],
  created: [1_795_363_200],
  request_id: [`req_${ULID}`],
  url: [MEDIA],
  thumbnail_url: [MEDIA.replace('/0.png', '/0-thumbnail.webp')],
  location: ['/v1/jobs'],
  content_type: ['image/png'],
  bytes: [812_345],
  sha256: [SHA],
  language: ['en'],
  held: [1, 0],
  settled: [0.75],
  spent: [3.25],
  limit: [300, 20],
  available: [295.75],
  position: [3],
  error: [null],
  progress: [null],
  queue: [null],
  refusal: [null],
  next_cursor: [null],
  disabled_at: [null],
  disabled_reason: [null],
  revoked_at: [null],
  failing_since: [null],
  object: ['list'],
};
const PATTERNED: readonly string[] = [
  ...['acc', 'key', 'agt', 'file', 'wh', 'req'].map((kind) => `${kind}_${ULID}`),
  ...[`job_${ULID}_main`, `msg_${ULID}`, `video_${ULID}_main`],
  ...[SHA, 'sdxl', 'en', 'main', '2026-11-22', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
  ...['1', '0', '1024x1024', '1024x768', 'kokoro', 'alloy'],
];
const FORMATTED: Readonly<Record<string, string>> = {
  'date-time': '2026-11-22T16:00:00.000Z',
  date: '2026-11-22',
  uri: MEDIA,
  binary: '(bytes)',
  email: 'ada@example.com',
};
/** Schemas that hold themselves end here. */
const DEPTH_MAX = 12;

/** An example of the schema; `schemas` are the description's own. */
export function makeExample(schemas: Schemas, schema: SchemaNode): unknown {
  return make({ schemas, name: '', depth: 0 }, schema);
}

interface Context {
  readonly schemas: Schemas;
  /** The field's name. */
  readonly name: string;
  readonly depth: number;
}

function make(context: Context, given: SchemaNode): unknown {
  const schema = resolve(context.schemas, given);
  if (context.depth > DEPTH_MAX) return null;
  if (schema.example !== undefined) return schema.example;
  if (schema.examples?.[0] !== undefined) return schema.examples[0];
  if (schema.const !== undefined) return schema.const;
  const named = (NAMED[context.name] ?? []).find((value) => takes(context.schemas, schema, value));
  if (named !== undefined) return named;
  if (schema.default !== undefined) return schema.default;
  if (schema.enum) return schema.enum[0];
  const [first] = [...(schema.oneOf ?? []), ...(schema.anyOf ?? [])];
  if (first) return make(context, first);
  if (schema.allOf) return makeAll(context, schema.allOf);
  return makeType(context, schema);
}

function makeAll(context: Context, parts: readonly SchemaNode[]): unknown {
  const made = parts.map((part) => make(context, part));
  const [only] = made;
  return made.length === 1 ? only : Object.assign({}, ...made);
}

function makeType(context: Context, schema: SchemaNode): unknown {
  const [type] = typesOf(schema).filter((one) => one !== 'null');
  switch (type) {
    case 'string':
      return makeString(schema);
    case 'integer':
    case 'number':
      return makeNumber(schema);
    case 'boolean':
      return false;
    case 'array': {
      if (!schema.items || schema.maxItems === 0) return [];
      const item = make(deeper(context, context.name), schema.items);
      return Array.from({ length: Math.max(1, schema.minItems ?? 0) }, () => item);
    }
    case 'object':
      return makeObject(context, schema);
    default:
      return null;
  }
}

function makeObject(context: Context, schema: SchemaNode): unknown {
  const properties = Object.entries(schema.properties ?? {});
  const more = schema.additionalProperties;
  if (properties.length === 0) {
    if (typeof more !== 'object' || typesOf(resolve(context.schemas, more)).length === 0) return {};
    return { order: make(deeper(context, 'order'), more) };
  }
  const needed = properties.filter(([name]) => schema.required?.includes(name) === true);
  return Object.fromEntries(
    needed.map(([name, field]) => [name, make(deeper(context, name), field)]),
  );
}

function makeNumber({ minimum, exclusiveMinimum, maximum = Infinity, type }: SchemaNode): number {
  const least = minimum ?? (exclusiveMinimum === undefined ? 0 : exclusiveMinimum + 1);
  const isWhole = type === 'integer' || (Array.isArray(type) && type.includes('integer'));
  const value = Math.min(Math.max(least, 1), maximum);
  return isWhole ? Math.floor(value) : value;
}

function makeString({ pattern, format, minLength = 0, maxLength = Infinity }: SchemaNode): string {
  if (format !== undefined && FORMATTED[format] !== undefined) return FORMATTED[format];
  if (pattern !== undefined) {
    const form = new RegExp(pattern, 'u');
    return PATTERNED.find((value) => form.test(value)) ?? '';
  }
  return 'text'.padEnd(minLength, '.').slice(0, maxLength);
}

/** Whether a plain value is one of the schema, as far as this file's values need it. */
function takes(schemas: Schemas, given: SchemaNode, value: unknown): boolean {
  const schema = resolve(schemas, given);
  if (schema.enum) return schema.enum.includes(value);
  const choices = [...(schema.oneOf ?? []), ...(schema.anyOf ?? [])];
  if (choices.length > 0) return choices.some((choice) => takes(schemas, choice, value));
  const types = typesOf(schema);
  if (value === null) return types.includes('null');
  if (typeof value === 'string') {
    if (!types.includes('string') || schema.format === 'date-time') return false;
    const { minLength = 0, maxLength = Infinity, pattern } = schema;
    const fits = value.length >= minLength && value.length <= maxLength;
    return fits && (pattern === undefined || new RegExp(pattern, 'u').test(value));
  }
  if (typeof value !== 'number') return false;
  const { minimum = -Infinity, maximum = Infinity } = schema;
  const isNumber = types.includes('number') || (types.includes('integer') && value % 1 === 0);
  return isNumber && value >= minimum && value <= maximum;
}

function resolve(schemas: Schemas, schema: SchemaNode): SchemaNode {
  if (schema.$ref === undefined) return schema;
  const { $ref, ...own } = schema;
  const found = schemas[$ref.replace('#/components/schemas/', '')] ?? {};
  return { ...resolve(schemas, found), ...own };
}

function typesOf({ type }: SchemaNode): readonly string[] {
  return typeof type === 'string' ? [type] : (type ?? []);
}

function deeper(context: Context, name: string): Context {
  return { ...context, name, depth: context.depth + 1 };
}
