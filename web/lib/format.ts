/** Words for amounts, times and sizes, in English. Pure: the time now is an argument. */

const TOKENS = new Intl.NumberFormat('en', { maximumFractionDigits: 3 });

/** "1 token", "0.25 tokens". */
export function formatTokens(tokens: number): string {
  return `${TOKENS.format(tokens)} ${tokens === 1 ? 'token' : 'tokens'}`;
}

/** "0.25", without the unit. */
export function formatAmount(tokens: number): string {
  return TOKENS.format(tokens);
}

/** "free", "$5 a month". */
export function formatPrice(cents: number): string {
  return `$${TOKENS.format(cents / 100)}`;
}

/** "8 s", "3 min", "2 h 10 min". */
export function formatSpan(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 90) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const rest = minutes % 60;
  return rest === 0 ? `${Math.floor(minutes / 60)} h` : `${Math.floor(minutes / 60)} h ${rest} min`;
}

/** When a waiting job starts, as a sentence. */
export function formatEstimate(
  estimate: { earliest_at: string; latest_at: string },
  now: number,
): string {
  const earliest = Date.parse(estimate.earliest_at) - now;
  const latest = Date.parse(estimate.latest_at) - now;
  if (latest <= 1500) return 'It should start at any moment.';
  if (earliest <= 1500) return `It should start within ${formatSpan(latest)}.`;
  const [from, to] = [formatSpan(earliest), formatSpan(latest)];
  if (from === to) return `It should start in about ${from}.`;
  return `It should start in ${from} to ${to}.`;
}

/** "1.4 MB", "212 kB". */
export function formatBytes(bytes: number): string {
  if (bytes >= 1e6) return `${(bytes / 1e6).toFixed(1)} MB`;
  return `${Math.max(1, Math.round(bytes / 1000))} kB`;
}

/** "a, b and c". */
export function joinWords(words: readonly string[]): string {
  if (words.length < 2) return words.join('');
  return `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}
