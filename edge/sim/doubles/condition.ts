/**
 * Evaluates a drizzle condition on a row: comparisons of columns, `excluded` columns and values,
 * `is null`, `in`, joined by `and` and `or`. What it does not know it refuses.
 */
import { Column, Param, SQL, StringChunk } from 'drizzle-orm';

export type Row = Readonly<Record<string, unknown>>;
/** Whether it holds for the row that is there, and the one that was to be inserted. */
export type Predicate = (row: Row, excluded: Row) => boolean;
type Operand = (row: Row, excluded: Row) => unknown;
type Token = string | { readonly operand: Operand };

const COMPARE: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  '=': (a, b) => a === b,
  '>': (a, b) => a > b,
  '<': (a, b) => a < b,
  '>=': (a, b) => a >= b,
  '<=': (a, b) => a <= b,
};

/** The predicate of a condition; `nameOf` gives the field of each column. */
export function parseCondition(condition: SQL, nameOf: ReadonlyMap<unknown, string>): Predicate {
  return finish(tokenize(condition, nameOf));
}

/** When an `on conflict` clause updates the row that is there; null when it does nothing. */
export function parseConflict(clause: SQL, nameOf: ReadonlyMap<unknown, string>): Predicate | null {
  const tokens = tokenize(clause, nameOf);
  const where = tokens.indexOf('where');
  if (tokens.includes('nothing')) return null;
  if (!tokens.includes('update')) throw new Error('a conflict is ignored or updates');
  const rest = where < 0 ? [] : tokens.slice(where + 1);
  return where < 0 ? () => true : finish(rest);
}

function finish(tokens: Token[]): Predicate {
  const predicate = parseAny(tokens);
  if (tokens.length > 0) throw new Error(`condition not understood at ${show(tokens[0])}`);
  return predicate;
}

function tokenize(chunk: unknown, nameOf: ReadonlyMap<unknown, string>): Token[] {
  if (chunk instanceof SQL) return chunk.queryChunks.flatMap((part) => tokenize(part, nameOf));
  if (Array.isArray(chunk)) {
    const items = chunk.flatMap((part) => tokenize(part, nameOf));
    return ['(', ...items, ')'];
  }
  if (chunk instanceof StringChunk) return chunk.value.flatMap(splitWords);
  if (chunk instanceof Column) {
    const name = nameOf.get(chunk);
    if (name === undefined) throw new Error(`no column ${chunk.name}`);
    return [{ operand: (row) => row[name] }];
  }
  const value: unknown = chunk instanceof Param ? chunk.value : chunk;
  return [{ operand: () => value }];
}

function splitWords(text: string): Token[] {
  const words = text.match(/[()]|[^\s()]+/g) ?? [];
  return words.map((word) => {
    const excluded = /^excluded\."?(\w+)"?$/.exec(word)?.[1];
    if (excluded === undefined) return word.toLowerCase();
    const name = excluded.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    return { operand: (_: Row, inserted: Row) => inserted[name] };
  });
}

function parseAny(tokens: Token[]): Predicate {
  const terms = [parseAll(tokens)];
  while (tokens[0] === 'or') {
    tokens.shift();
    terms.push(parseAll(tokens));
  }
  return (row, excluded) => terms.some((term) => term(row, excluded));
}

function parseAll(tokens: Token[]): Predicate {
  const terms = [parseTerm(tokens)];
  while (tokens[0] === 'and') {
    tokens.shift();
    terms.push(parseTerm(tokens));
  }
  return (row, excluded) => terms.every((term) => term(row, excluded));
}

function parseTerm(tokens: Token[]): Predicate {
  if (tokens[0] === '(') {
    tokens.shift();
    const inner = parseAny(tokens);
    expect(tokens, ')');
    return inner;
  }
  const left = takeOperand(tokens);
  const operator = tokens.shift();
  if (operator === 'is') {
    expect(tokens, 'null');
    return (row, excluded) => (left(row, excluded) ?? null) === null;
  }
  if (operator === 'in') {
    expect(tokens, '(');
    const items: Operand[] = [];
    while (tokens[0] !== ')') items.push(takeOperand(tokens));
    tokens.shift();
    return (row, excluded) => items.some((item) => item(row, excluded) === left(row, excluded));
  }
  const compare = typeof operator === 'string' ? COMPARE[operator] : undefined;
  if (!compare) throw new Error(`operator not understood: ${show(operator)}`);
  const right = takeOperand(tokens);
  return (row, excluded) => {
    const [a, b] = [left(row, excluded), right(row, excluded)];
    // As in SQL, nothing compares with null.
    return a !== null && b !== null && compare(a as number, b as number);
  };
}

function takeOperand(tokens: Token[]): Operand {
  const token = tokens.shift();
  if (typeof token !== 'object') throw new Error(`operand expected, got ${show(token)}`);
  return token.operand;
}

function expect(tokens: Token[], word: string): void {
  const token = tokens.shift();
  if (token !== word) throw new Error(`${word} expected, got ${show(token)}`);
}

function show(token: Token | undefined): string {
  return typeof token === 'object' ? 'an operand' : String(token);
}
