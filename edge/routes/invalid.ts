/**
 * Zod's issues in words for a developer: a sentence for the first, and each with its field, its
 * limit and the value sent, shortened. Pure.
 */
import type { z } from 'zod';
import { WHOLE_BODY } from './wire.ts';
import type { Wire } from './wire.ts';

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

export interface FieldIssue {
  readonly field: string;
  readonly message: string;
  readonly limit?: unknown;
  readonly value?: unknown;
}

/** Issues listed in one answer. */
const ISSUES_MAX = 20;
const VALUE_CHARS_MAX = 60;

/** The error answer for a body, query or header set that does not parse. */
export function toInvalidWire(error: { issues: readonly Issue[] }, sent: unknown): Wire {
  const fields = error.issues.flatMap((issue) => describeIssue(issue, sent)).slice(0, ISSUES_MAX);
  const [first, ...others] = fields;
  const more = others.length > 0 ? ` (and ${others.length} more, see details)` : '';
  const message = first ? `${joinWords(first)}${more}.` : 'The request is not valid.';
  return { code: 'invalid_request', message, details: { fields } };
}

/** "width must be …", but "model: a model id is …". */
function joinWords({ field, message }: FieldIssue): string {
  return /^(is|must|has|does) /.test(message) ? `${field} ${message}` : `${field}: ${message}`;
}

function describeIssue(issue: Issue, sent: unknown): FieldIssue[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      field: nameField([...issue.path, key]),
      message: 'is not a known field',
    }));
  }
  const field = nameField(issue.path);
  const value = valueAt(sent, issue.path);
  if (value === undefined && (issue.code === 'invalid_type' || issue.code === 'invalid_value')) {
    return [{ field, message: 'is missing', ...optionsOf(issue) }];
  }
  const shown = value === undefined ? {} : { value: shorten(value) };
  return [{ field, ...describe(issue, value), ...shown }];
}

function describe(issue: Issue, value: unknown): { message: string; limit?: unknown } {
  switch (issue.code) {
    case 'too_big':
      return {
        message: `must ${amount(issue.origin, 'at most', issue.maximum)}`,
        limit: issue.maximum,
      };
    case 'too_small':
      return describeSmall(issue);
    case 'not_multiple_of':
      return { message: `must be a multiple of ${issue.divisor}`, limit: issue.divisor };
    case 'invalid_value':
      return { message: `must be ${oneOf(issue.values)}`, limit: issue.values };
    case 'invalid_union':
      return describeUnion(issue, value);
    case 'invalid_type':
      return { message: `must be ${article(issue.expected)}` };
    case 'invalid_format':
      return { message: issue.message };
    case 'invalid_key':
      return { message: 'is not a valid name' };
    case 'invalid_element':
    case 'unrecognized_keys':
    case 'custom':
      return { message: issue.message };
  }
}

function describeSmall(issue: Extract<Issue, { code: 'too_small' }>) {
  const limit = issue.minimum;
  if (issue.origin === 'string' && limit === 1) return { message: 'must not be empty', limit };
  if (issue.inclusive === false) return { message: `must be more than ${limit}`, limit };
  return { message: `must ${amount(issue.origin, 'at least', limit)}`, limit };
}

/** How Zod begins where a schema has no words of its own. */
const NO_WORDS = 'Invalid ';

function describeUnion(issue: Extract<Issue, { code: 'invalid_union' }>, value: unknown) {
  if (!issue.message.startsWith(NO_WORDS)) return { message: issue.message };
  const { options } = issue as { options?: readonly unknown[] };
  const known = options ?? literalsOf(issue);
  const missing = value === undefined ? 'is missing; it ' : '';
  if (known.length === 0) return { message: `${missing}has none of the allowed forms` };
  return { message: `${missing}must be ${oneOf(known)}`, limit: known };
}

/** The values that a union of literals allows. */
function literalsOf(issue: Extract<Issue, { code: 'invalid_union' }>): unknown[] {
  return issue.errors
    .flat()
    .flatMap((inner) => (inner.code === 'invalid_value' ? inner.values : []));
}

function optionsOf(issue: Issue): { limit?: unknown } {
  return issue.code === 'invalid_value' ? { limit: issue.values } : {};
}

function amount(origin: string, bound: string, limit: number | bigint): string {
  if (origin === 'string') return `have ${bound} ${count(limit, 'character')}`;
  if (origin === 'array' || origin === 'set') return `have ${bound} ${count(limit, 'item')}`;
  return `be ${bound} ${limit}`;
}

function count(amount: number | bigint, noun: string): string {
  return `${amount} ${noun}${Number(amount) === 1 ? '' : 's'}`;
}

function oneOf(values: readonly unknown[]): string {
  const distinct = [...new Set(values.map(String))];
  return distinct.length === 1 ? distinct[0]! : `one of ${distinct.join(', ')}`;
}

function article(type: string): string {
  if (type === 'int') return 'a whole number';
  if (type === 'null') return type;
  return /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`;
}

/** `messages[0].content`; the whole body has no name of its own. */
function nameField(path: Path): string {
  let name = '';
  for (const part of path) {
    if (typeof part === 'number') name += `[${part}]`;
    else name += name === '' ? String(part) : `.${String(part)}`;
  }
  return name === '' ? WHOLE_BODY : shortenText(name);
}

function valueAt(sent: unknown, path: Path): unknown {
  let at = sent;
  for (const part of path) {
    if (at === null || typeof at !== 'object' || !Object.hasOwn(at, part)) return undefined;
    at = (at as Record<PropertyKey, unknown>)[part];
  }
  return at;
}

function shorten(value: unknown): unknown {
  if (typeof value === 'string') return shortenText(value);
  if (Array.isArray(value)) return `[${value.length} items]`;
  return value !== null && typeof value === 'object' ? '{…}' : value;
}

function shortenText(text: string): string {
  return text.length <= VALUE_CHARS_MAX
    ? text
    : `${text.slice(0, VALUE_CHARS_MAX).toWellFormed()}…`;
}
