/** The bounds of forms that come with files, each with its reason; all others are in limits.ts. */
const KIB = 1024;

/** Fields and files of one form: no route takes a fifth of them. */
export const FORM_PARTS_MAX = 100;
/** What stands before one part: a name or two, and a type. */
export const FORM_HEAD_BYTES_MAX = 16 * KIB;
