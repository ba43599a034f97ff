/** Options of a slash command as fields of a request: what is chosen there needs no reading. Pure. */
import type { JobType } from '#schema/model.ts';
import type { Fields } from './draft.ts';
import { readSettings } from './setting.ts';

/** An option that stands for several fields. */
const SIZE = 'size';

/** Values that are none are left out: Discord has checked what it can. */
export function readFields(
  given: Readonly<Record<string, string | number | boolean>>,
  type: JobType,
): Fields {
  const { [SIZE]: size, ...others } = given;
  const sized = typeof size === 'string' ? readSettings(size, type) : null;
  return { ...others, ...sized?.fields };
}
