/**
 * The edge's log: one JSON object per line, on the console, at most LOG_LINE_BYTES_MAX.
 * Operations are named noun.verb. Texts of users (prompts, messages, lyrics) are replaced by
 * their length wherever they turn up; errors are written whole, with stack and causes.
 */
import { LOG_LINE_BYTES_MAX } from '#schema/limits.ts';

type Level = 'info' | 'warn' | 'error';
export type LogFields = Readonly<Record<string, unknown>>;

/** What users write or sign with: never in a log. */
const PRIVATE = new Set([
  'prompt',
  'negative_prompt',
  'messages',
  'content',
  'input',
  'lyrics',
  'text',
  'metadata',
  'authorization',
  'token',
  'secret',
  'api_key',
]);
/** Longest string in a line, then in a line that was too long with it. */
const STRING_CHARS = [4000, 1000, 200] as const;
const CAUSES_MAX = 3;
/** A string so short is never cut. */
const PLAIN_CHARS_MAX = 100;

/** Notes something that happened. */
export function logInfo(operation: string, fields: LogFields = {}): void {
  console.log(formatLine('info', operation, fields));
}

/** Notes something an operator may have to look at. */
export function logWarn(operation: string, fields: LogFields = {}): void {
  console.warn(formatLine('warn', operation, fields));
}

/** Notes a fault, with the whole error. */
export function logError(operation: string, error: unknown, fields: LogFields = {}): void {
  console.error(formatLine('error', operation, { ...fields, error: describeError(error) }));
}

/** One line of the log, valid JSON however large the fields are. */
export function formatLine(level: Level, operation: string, fields: LogFields): string {
  const event = { at: new Date().toISOString(), level, op: operation, ...fields };
  // Most lines: nothing in them to hide or to cut.
  if (Object.entries(fields).every(isPlain)) {
    const line = JSON.stringify(event);
    if (fits(line)) return line;
  }
  for (const charsMax of STRING_CHARS) {
    const line = JSON.stringify(event, shorten(charsMax));
    if (fits(line)) return line;
  }
  const message = JSON.stringify(fields['error'] ?? null, shorten(500)).slice(0, 1000);
  return JSON.stringify({ at: event.at, level, op: operation, cut: true, message });
}

function isPlain([key, value]: readonly [string, unknown]): boolean {
  if (PRIVATE.has(key)) return false;
  if (typeof value === 'string') return value.length <= PLAIN_CHARS_MAX;
  return value == null || typeof value === 'number' || typeof value === 'boolean';
}

function fits(line: string): boolean {
  // A UTF-16 unit is at most three bytes: nearly all lines need no count.
  if (line.length * 3 <= LOG_LINE_BYTES_MAX) return true;
  return new TextEncoder().encode(line).length <= LOG_LINE_BYTES_MAX;
}

function shorten(charsMax: number) {
  return (key: string, value: unknown): unknown => {
    if (PRIVATE.has(key) && value !== null && value !== undefined) {
      return `[${typeof value === 'string' ? value.length : JSON.stringify(value).length} chars]`;
    }
    if (typeof value === 'bigint') return String(value);
    if (typeof value !== 'string' || value.length <= charsMax) return value;
    return `${value.slice(0, charsMax)}… [${value.length} chars]`;
  };
}

function describeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return { message: messageOf(error) };
  const { name, message, stack, cause } = error;
  return {
    name,
    message,
    stack,
    // Postgres names its reason here; Durable Objects say whether a repeat may help.
    ...pick(error, ['code', 'constraint', 'retryable', 'overloaded']),
    ...(cause !== undefined && depth < CAUSES_MAX
      ? { cause: describeError(cause, depth + 1) }
      : {}),
  };
}

/** An ErrorEvent of a socket is no Error, but has a message too. */
function messageOf(thrown: unknown): string {
  const { message } = (thrown ?? {}) as { message?: unknown };
  return typeof message === 'string' ? message : String(thrown);
}

function pick(error: object, names: readonly string[]): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const name of names) {
    if (name in error) found[name] = (error as Record<string, unknown>)[name];
  }
  return found;
}
