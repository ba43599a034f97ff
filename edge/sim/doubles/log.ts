/** Stands in for edge/io/log: lines go to the trace, by operation; errors are counted. */
import type { LogFields } from '../../io/log.ts';
import { theSite } from '../site.ts';

export function logInfo(operation: string, fields: LogFields = {}): void {
  note(operation, fields);
}

export function logWarn(operation: string, fields: LogFields = {}): void {
  note(operation, fields);
}

export function logError(operation: string, error: unknown, fields: LogFields = {}): void {
  const { world } = theSite();
  world.count(`logged ${operation}`);
  note(operation, { ...fields, error: String(error) });
}

function note(operation: string, fields: LogFields): void {
  const { world, isVerbose } = theSite();
  if (isVerbose) world.note('log', `${operation} ${JSON.stringify(fields)}`);
}
