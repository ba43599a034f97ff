/**
 * The agent's log: one JSON object a line, `at`, `level` and `op` (noun.verb) first. A line is
 * bounded: long strings are cut, and a line that is still too long keeps its short fields only.
 * Never given a prompt or a token.
 */
import { destination, pino } from 'pino';
import type { DestinationStream } from 'pino';
import { LOG_LINE_BYTES_MAX } from '#schema/limits.ts';

export type LogFields = Readonly<Record<string, unknown>>;
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface Log {
  debug(op: string, fields?: LogFields): void;
  info(op: string, fields?: LogFields): void;
  warn(op: string, fields?: LogFields): void;
  error(op: string, fields?: LogFields): void;
}

/** Longest string of a field: an engine's error keeps its first lines. */
const FIELD_CHARS_MAX = 1000;
/** `at`, `level`, `op` and the quotes around them. */
const FRAME_BYTES = 200;
const SHORT_CHARS = 80;

/** A log on standard output, or on `sink`. */
export function createLog(level: LogLevel, sink?: DestinationStream): Log {
  const logger = pino(
    {
      level,
      base: null,
      messageKey: 'message',
      timestamp: () => `,"at":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    sink ?? destination({ fd: 1, sync: true }),
  );
  const at =
    (name: Exclude<LogLevel, 'silent'>) =>
    (op: string, fields: LogFields = {}) => {
      if (logger.isLevelEnabled(name)) logger[name](boundFields({ op, ...fields }));
    };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** The same fields, cut so that the line stays within `LOG_LINE_BYTES_MAX`. */
export function boundFields(fields: LogFields): LogFields {
  const cut: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) cut[name] = boundValue(value);
  }
  if (Buffer.byteLength(JSON.stringify(cut)) + FRAME_BYTES <= LOG_LINE_BYTES_MAX) return cut;
  const short = Object.entries(cut)
    .filter(([, value]) => (JSON.stringify(value) ?? '').length <= SHORT_CHARS)
    .slice(0, 30);
  return { ...Object.fromEntries(short), cut: true };
}

function boundValue(value: unknown): unknown {
  if (value instanceof Error) return boundValue(value.stack ?? value.message);
  if (typeof value !== 'string' || value.length <= FIELD_CHARS_MAX) return value;
  return `${value.slice(0, FIELD_CHARS_MAX).toWellFormed()}…`;
}
