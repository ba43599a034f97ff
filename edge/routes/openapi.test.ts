import { describe, expect, it } from 'vitest';
import { ErrorBody, ERRORS } from '#schema/error.ts';
import { ROUTES } from '#schema/route.ts';
import { findFault } from '../fuzz/conform.ts';
import { Description } from '../fuzz/document.ts';
import type { Content } from '../fuzz/document.ts';
import { HttpWorld } from '../test/http.ts';

interface Document {
  readonly components: {
    readonly examples: Record<string, { readonly value: unknown }>;
    readonly schemas: Record<string, { readonly properties: Record<string, unknown> }>;
  };
  readonly 'x-error-codes': Record<string, { status: number; meaning: string }>;
  readonly tags: readonly { readonly name: string }[];
  readonly paths: Record<string, Record<string, { tags: string[]; summary: string }>>;
}
interface Example {
  readonly example?: unknown;
  readonly examples?: Readonly<Record<string, { readonly $ref: string }>>;
}

const json = await (await new HttpWorld().get('/openapi.json')).json<Document>();
const description = new Description(json);
const { operations } = description;

describe('the reference', () => {
  it('has an example of every JSON body, and each is valid', () => {
    const faults: string[] = [];
    let checked = 0;
    for (const { method, path, requestBody, responses } of operations) {
      const contents: (readonly [string, Content | undefined])[] = [
        ['body', requestBody?.content],
        ...Object.entries(responses).map(([status, { content }]) => [status, content] as const),
      ];
      for (const [part, content] of contents) {
        const body = content?.['application/json'];
        if (!body?.schema) continue;
        checked += 1;
        const { example, examples } = body as Example;
        const values = examples
          ? Object.keys(examples).map((code) => json.components.examples[code]!.value)
          : [example];
        for (const value of values) {
          const fault =
            value === undefined ? 'is missing' : findFault(description, body.schema, value);
          if (fault) faults.push(`${method} ${path} ${part}: ${fault}`);
        }
      }
    }
    expect(faults).toEqual([]);
    expect(checked).toBeGreaterThan(operations.length);
  });

  it('tells the status and the meaning of every error code, with an example', () => {
    const expected = Object.entries(ERRORS).map(([code, { status, help }]) => [
      code,
      { status, meaning: help },
    ]);
    expect(Object.entries(json['x-error-codes'])).toEqual(expected);
    for (const code of Object.keys(ERRORS)) {
      expect(ErrorBody.parse(json.components.examples[code]?.value).error.code).toBe(code);
    }
  });

  it('tells what a size must be a multiple of', () => {
    const { width } = json.components.schemas['ImageRequest']!.properties;
    expect(width).toMatchObject({ minimum: 64, maximum: 2048, multipleOf: 8 });
  });

  it('has a summary and a known tag for every call', () => {
    const tags = new Set(json.tags.map(({ name }) => name));
    for (const methods of Object.values(json.paths)) {
      for (const { summary, tags: own } of Object.values(methods)) {
        expect(summary).not.toBe('');
        expect(
          own.every((tag) => tags.has(tag)),
          `${own.join()} of ${summary}`,
        ).toBe(true);
      }
    }
  });

  it("has every call of the client's table, and the table every call that is JSON both ways", () => {
    const listed = Object.values(ROUTES).map(({ method, path }) => {
      return `${method} ${path.split('?')[0]}`;
    });
    const described = new Map(operations.map((one) => [`${one.method} ${one.path}`, one]));
    for (const name of listed) expect(described.has(name), name).toBe(true);
    const expected = operations.filter(({ path }) => path.startsWith('/v1/') && isOurs(path));
    expect([...new Set(listed)].toSorted()).toEqual(
      expected.map(({ method, path }) => `${method} ${path}`).toSorted(),
    );
  });
});

/** Streams, and what OpenAI's own clients are for, are not of the table. */
function isOurs(path: string): boolean {
  const { tags } = Object.values(json.paths[path]!)[0]!;
  return !tags.includes('OpenAI-compatible') && !path.endsWith('/events');
}
