/** Texts of users, as every body takes them. */
import { z } from 'zod';
import { METADATA_KEYS_MAX, METADATA_KEY_CHARS_MAX, METADATA_VALUE_CHARS_MAX } from './limits.ts';

// oxlint-disable-next-line no-control-regex -- control characters are what it refuses
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\ufffe\uffff\p{Cs}]/u;

/** Postgres stores no NUL and no broken UTF-16, and no user means either. */
export function plain(schema: z.ZodString) {
  return schema.refine((value) => !CONTROL.test(value), {
    message: 'has control characters or broken Unicode; send plain text',
  });
}

/** Text of a user: trimmed, bounded, free of control characters but tab and line ends. */
export function text(charsMax: number, charsMin = 1) {
  return plain(z.string().trim().min(charsMin).max(charsMax));
}

/** A user's own labels. */
export const Metadata = z
  .record(
    plain(z.string().min(1).max(METADATA_KEY_CHARS_MAX)),
    plain(z.string().max(METADATA_VALUE_CHARS_MAX)),
  )
  .refine((value) => Object.keys(value).length <= METADATA_KEYS_MAX, {
    message: `has more than ${METADATA_KEYS_MAX} keys`,
  });

/** What the reference says of a prompt, */
export const PROMPT = {
  description:
    'What to show. It is data: tags (`<lora:…>`), wildcards (`__x__`) and choices (`{a|b}`, whose ' +
    'words stay) are taken out, and `parameters` shows what was run. Weights like `(word:1.2)` work.',
};
/** and of a negative one. */
export const NEGATIVE_PROMPT = { description: 'What not to show. Cleaned as the prompt is.' };
