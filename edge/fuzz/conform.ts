/** Whether a value is what a schema says; a small validator, since workerd compiles no code. */
import type { Description, Schema } from './document.ts';

/** The first thing that is wrong, with its place, or null. */
export function findFault(description: Description, schema: Schema, value: unknown): string | null {
  return new Check(description).run(schema, { value, at: '$' });
}

interface Place {
  readonly value: unknown;
  readonly at: string;
}

class Check {
  readonly #description: Description;

  constructor(description: Description) {
    this.#description = description;
  }

  run(given: Schema, place: Place): string | null {
    const schema = this.#description.resolve(given);
    const { value, at } = place;
    if (schema.type !== undefined && !typesOf(schema.type).some((type) => isType(type, value))) {
      return `${at} is ${JSON.stringify(value)?.slice(0, 80)}, not ${String(schema.type)}`;
    }
    if (schema.enum && !schema.enum.includes(value)) return `${at} is none of the enum`;
    if ('const' in schema && schema.const !== value) return `${at} is not ${String(schema.const)}`;
    return (
      this.#combined(schema, place) ??
      (typeof value === 'string' ? checkString(schema, value, at) : null) ??
      (typeof value === 'number' ? checkNumber(schema, value, at) : null) ??
      (Array.isArray(value) ? this.#array(schema, value, at) : null) ??
      (isType('object', value) ? this.#object(schema, value as object, at) : null)
    );
  }

  #combined(schema: Schema, place: Place): string | null {
    for (const one of schema.allOf ?? []) {
      const fault = this.run(one, place);
      if (fault) return fault;
    }
    for (const choices of [schema.anyOf, schema.oneOf]) {
      if (!choices) continue;
      const faults = choices.map((one) => this.run(one, place));
      if (!faults.includes(null)) return `${place.at} is none of: ${faults.join('; ')}`;
    }
    return null;
  }

  #array(schema: Schema, items: readonly unknown[], at: string): string | null {
    const { minItems = 0, maxItems = Infinity } = schema;
    if (items.length < minItems || items.length > maxItems) return `${at} has ${items.length}`;
    for (const [index, value] of items.entries()) {
      const fault = schema.items && this.run(schema.items, { value, at: `${at}[${index}]` });
      if (fault) return fault;
    }
    return null;
  }

  #object(schema: Schema, value: object, at: string): string | null {
    const missing = (schema.required ?? []).find((name) => !Object.hasOwn(value, name));
    if (missing !== undefined) return `${at}.${missing} is missing`;
    for (const [name, item] of Object.entries(value)) {
      const own = schema.properties?.[name];
      const more = schema.additionalProperties;
      if (!own && more === false) return `${at}.${name} is not described`;
      const rule = own ?? (typeof more === 'object' ? more : null);
      const fault = rule && this.run(rule, { value: item, at: `${at}.${name}` });
      if (fault) return fault;
    }
    return null;
  }
}

function typesOf(type: string | readonly string[]): readonly string[] {
  return typeof type === 'string' ? [type] : type;
}

function isType(type: string, value: unknown): boolean {
  switch (type) {
    case 'null':
      return value === null;
    case 'array':
      return Array.isArray(value);
    case 'object':
      return typeof value === 'object' && value !== null && !Array.isArray(value);
    case 'integer':
      return Number.isInteger(value);
    case 'number':
      return Number.isFinite(value);
    default:
      return typeof value === type;
  }
}

function checkString(schema: Schema, value: string, at: string): string | null {
  const { minLength = 0, maxLength = Infinity, pattern, format } = schema;
  if (value.length < minLength || value.length > maxLength) return `${at} has a wrong length`;
  if (pattern !== undefined && !new RegExp(pattern, 'u').test(value)) {
    return `${at} is ${value.slice(0, 80)}, not ${pattern}`;
  }
  if (format === 'date-time' && !/^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)$/.test(value)) {
    return `${at} is no time: ${value}`;
  }
  if (format === 'uri' && !URL.canParse(value)) return `${at} is no URL`;
  return null;
}

function checkNumber(schema: Schema, value: number, at: string): string | null {
  const { minimum = -Infinity, maximum = Infinity } = schema;
  const { exclusiveMinimum: above = -Infinity, exclusiveMaximum: below = Infinity } = schema;
  const isIn = value >= minimum && value <= maximum && value > above && value < below;
  return isIn ? null : `${at} is ${value}, out of bounds`;
}
