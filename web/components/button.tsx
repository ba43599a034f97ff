/** The two kinds of button; both at least 44 px high, to be hit with a thumb. */
import type { ButtonHTMLAttributes } from 'react';

const BASE =
  'inline-flex min-h-11 items-center justify-center gap-2 rounded-xl px-5 py-2 font-semibold transition-colors disabled:cursor-not-allowed';
const KIND = {
  primary:
    'bg-accent text-on-accent hover:bg-accent-strong disabled:bg-sunken disabled:text-muted disabled:ring-1 disabled:ring-line',
  quiet:
    'bg-surface text-ink ring-1 ring-edge hover:bg-wash disabled:text-muted disabled:ring-line',
} as const;

/** Class names of a button, for links that look like one. */
export function buttonClass(kind: keyof typeof KIND): string {
  return `${BASE} ${KIND[kind]}`;
}

export function Button({
  kind = 'primary',
  className = '',
  ...rest
}: ButtonHTMLAttributes<HTMLButtonElement> & { kind?: keyof typeof KIND }) {
  return <button type="button" {...rest} className={`${buttonClass(kind)} ${className}`} />;
}
