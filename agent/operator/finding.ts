/** What a look at one part of the box found, and how it is told. Pure. */

export interface Finding {
  readonly what: string;
  /** `weak`: works, but not as well as it could. `bad`: jobs fail, or none come. */
  readonly state: 'ok' | 'weak' | 'bad';
  readonly words: string;
  /** What to do about it; null where nothing is to be done. */
  readonly mend: string | null;
}

const MARKS = { ok: 'ok  ', weak: 'weak', bad: 'BAD ' } as const;

export function ok(what: string, words: string): Finding {
  return { what, state: 'ok', words, mend: null };
}

export function weak(what: string, words: string, mend: string): Finding {
  return { what, state: 'weak', words, mend };
}

export function bad(what: string, words: string, mend: string): Finding {
  return { what, state: 'bad', words, mend };
}

/** One or two lines for a terminal. */
export function describe({ what, state, words, mend }: Finding): string {
  const line = printable(`${MARKS[state]}  ${what.padEnd(10)}  ${words}`);
  return mend === null ? line : `${line}\n${' '.repeat(18)}-> ${printable(mend)}`;
}

/** What a terminal would obey is left out: a server may say anything. */
export function printable(line: string): string {
  return line.replaceAll(/\p{Cc}/gu, '');
}
