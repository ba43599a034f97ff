/** The OpenAPI document as the fuzzer reads it: JSON Schema of 2020-12, as far as we use it. */

import type { SchemaNode } from '../routes/example.ts';

/** JSON Schema as the description has it. */
export type Schema = SchemaNode;

export interface Content {
  readonly [type: string]: { readonly schema?: Schema };
}

export interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required?: boolean;
  readonly schema: Schema;
}

interface Described {
  readonly security?: readonly Readonly<Record<string, unknown>>[];
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: { readonly content: Content; readonly required?: boolean };
  readonly responses: Readonly<
    Record<string, { readonly description: string; readonly content?: Content }>
  >;
}

export interface Operation extends Described {
  readonly method: string;
  /** With `{…}` where parameters go. */
  readonly path: string;
}

/** `/openapi.json`, resolved step by step. */
export class Description {
  readonly operations: readonly Operation[];
  readonly #schemas: Readonly<Record<string, Schema>>;

  constructor(json: unknown) {
    const { paths, components } = json as {
      paths: Record<string, Record<string, Described>>;
      components: { schemas: Record<string, Schema> };
    };
    this.#schemas = components.schemas;
    this.operations = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, described]) => ({
        ...described,
        path,
        method: method.toUpperCase(),
      })),
    );
  }

  /** The schema itself, where it is a reference to one of the document's. */
  resolve(schema: Schema): Schema {
    if (schema.$ref === undefined) return schema;
    const name = schema.$ref.replace('#/components/schemas/', '');
    const found = this.#schemas[name];
    if (!found) throw new Error(`the document lacks ${schema.$ref}`);
    return this.resolve(found);
  }
}
