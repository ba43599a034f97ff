/**
 * Every path that README.md names in backticks exists. A path is a word with a slash or one of
 * our file endings that begins with a top-level entry; commands, routes and globs are not.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..');
const MADE_LATER = /^(\.tessera|dist|coverage|node_modules)\b/;
const FILE = /^[\w.][\w./-]*\.(ts|tsx|mjs|json|toml|md|sql|service|yml)$/;

/** The words in backticks of a Markdown text that name paths of this repository. */
export function findPaths(text: string, topLevel: readonly string[]): string[] {
  const fenced = text.replaceAll(/```.*?```/gs, '');
  const words = [...fenced.matchAll(/`([^`\n]+)`/g)].map((found) => found[1] ?? '');
  return words
    .map((word) => word.replace(/\/$/, ''))
    .filter((word) => /^[\w./-]+$/.test(word) && !MADE_LATER.test(word))
    .filter((word) => {
      const [first, ...rest] = word.split('/');
      return (topLevel.includes(first ?? '') && rest.length > 0) || FILE.test(word);
    });
}

if (import.meta.main) {
  const readme = join(ROOT, 'README.md');
  const paths = existsSync(readme)
    ? findPaths(readFileSync(readme, 'utf8'), readdirSync(ROOT))
    : [];
  const missing = paths.filter((path) => !existsSync(join(ROOT, path)));
  for (const path of missing) process.stdout.write(`README.md names ${path}, which is not there\n`);
  process.exitCode = missing.length > 0 ? 1 : 0;
}
