/** Times and days to ask the history for: what Postgres knows, which has no year 0. */
import { z } from 'zod';

const isKnown = (value: string) => !value.startsWith('0000');
const NO_YEAR = 'must not be of the year 0';

/** An instant, ISO 8601 in UTC. */
export const PastTime = z.iso
  .datetime()
  .refine(isKnown, NO_YEAR)
  .meta({ example: '2026-11-22T16:00:00.000Z' });

/** A UTC day. */
export const PastDay = z.iso.date().refine(isKnown, NO_YEAR).meta({ example: '2026-11-22' });
