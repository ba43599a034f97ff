/**
 * Which lines of a part's log the launcher shows: warnings and errors, shortened, and never a
 * flood. Everything else is in the part's log file.
 */
type Show = (line: string) => string | undefined;

const LINE_CHARS = 200;
const LINES_PER_MINUTE = 12;
const MINUTE_MS = 60_000;

/** Agent: its JSON lines of level warn and error. */
export const makeAgentShow = (): Show => limit((line) => showJson(line));

/** Worker: the edge logger's JSON lines of level warn and error, and what is no JSON at all. */
export const makeEdgeShow = (): Show =>
  limit((line) => (line.startsWith('{') ? showJson(line) : showPlain(line)));

/** Database: what made the server refuse or die. */
export const makeDatabaseShow = (): Show =>
  limit((line) =>
    /^ {2}\S|PANIC|FATAL|was terminated by signal/.test(line) &&
    !/terminating connection|starting up|not yet accepting|shutting down/.test(line)
      ? line
      : undefined,
  );

function showPlain(line: string): string | undefined {
  return line.trim() !== '' && !/^\s/.test(line) ? line : undefined;
}

function showJson(line: string): string | undefined {
  let entry: unknown;
  try {
    entry = JSON.parse(line);
  } catch {
    return undefined; // half a line, or a native program's chatter: it is in the log file
  }
  if (typeof entry !== 'object' || entry === null) return undefined;
  const fields = entry as Record<string, unknown>;
  if (!/^(warn|error)$/.test(String(fields['level']))) return undefined;
  const said = SAID.map((name) => tell(fields[name])).filter((part) => part !== '');
  return [...new Set(said)].join(': ');
}

/** What a reader needs of a line, in this order: what was done, how it went wrong, what to do. */
const SAID = ['op', 'message', 'reason', 'code', 'error', 'detail', 'words', 'help'];

/** A field in one line: of an error its message; nothing of a number, which explains nothing. */
function tell(value: unknown): string {
  if (value === null || value === undefined || typeof value === 'number') return '';
  if (typeof value === 'string') return value.split('\n', 1)[0] ?? '';
  const { message } = value as { message?: unknown };
  return typeof message === 'string' ? tell(message) : JSON.stringify(value);
}

function limit(show: Show): Show {
  let minute = 0;
  let shown = 0;
  return (line) => {
    const text = show(line);
    if (text === undefined) return undefined;
    const now = Math.floor(Date.now() / MINUTE_MS);
    if (now !== minute) shown = 0;
    minute = now;
    shown += 1;
    if (shown > LINES_PER_MINUTE) return undefined;
    if (shown === LINES_PER_MINUTE) return '… more in its log';
    return text.length > LINE_CHARS ? `${text.slice(0, LINE_CHARS)}…` : text;
  };
}
