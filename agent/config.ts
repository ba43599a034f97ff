/**
 * The agent's settings file: JSON, readable by its owner alone, with the same settings as the
 * environment in a shape for people. `{"url": …, "agentToken": …, "comfyui": {"url": …}}` stands
 * for TESSERA_URL, TESSERA_AGENT_TOKEN, TESSERA_COMFYUI_URL; a list is joined by commas, and a
 * server's `models` may be an object. The environment wins. A name that means nothing is a fault.
 */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ENV_NAMES, readEnv, readSurroundings } from './env.ts';
import type { EnvResult } from './env.ts';

/** Larger than any real one. */
const CONFIG_BYTES_MAX = 256 * 1024;

export type ConfigResult =
  | { readonly ok: true; readonly values: Readonly<Record<string, string>> }
  | { readonly ok: false; readonly faults: readonly string[] };

/** Where the settings are: as named, else at the usual place of the user. */
export function configPath(named: string | undefined): string {
  const { config, home } = readSurroundings();
  return named ?? config ?? join(home, '.config', 'tessera', 'agent.json');
}

/** The settings of the environment and the file; a file that is not there is one without any. */
export async function loadSettings(named: string | undefined): Promise<EnvResult> {
  const path = configPath(named);
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => error);
  if (text instanceof Error) {
    if (text.code === 'ENOENT' && named === undefined) return readEnv();
    return { ok: false, faults: [`${path}: ${text.message}`] };
  }
  const file = parseConfig(text);
  if (!file.ok) return { ok: false, faults: file.faults.map((fault) => `${path}: ${fault}`) };
  return readEnv(undefined, file.values);
}

/** Whether others on this machine can read the file with the token. */
export async function isOpenToOthers(path: string): Promise<boolean> {
  return ((await stat(path)).mode & 0o077) !== 0;
}

/** The variables that a file's text stands for. */
export function parseConfig(text: string): ConfigResult {
  if (text.length > CONFIG_BYTES_MAX) return { ok: false, faults: ['the file is too large'] };
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    // Not the parser's own words: they quote the file, and the token with it.
    const place = /line \d+ column \d+/.exec(String(error))?.[0];
    return { ok: false, faults: [`the file is not JSON${place ? `, at ${place}` : ''}`] };
  }
  if (!isObject(json)) return { ok: false, faults: ['the file is not a JSON object'] };
  const values: Record<string, string> = {};
  const faults: string[] = [];
  for (const [path, value] of entriesOf(json, [])) {
    const name = toName(path);
    const written = toText(value);
    if (!ENV_NAMES.includes(name)) faults.push(`${path.join('.')}: no such setting`);
    else if (written === null)
      faults.push(`${path.join('.')}: a text, a number or a list of these`);
    else values[name] = written;
  }
  return faults.length > 0 ? { ok: false, faults } : { ok: true, values };
}

function* entriesOf(
  object: Record<string, unknown>,
  above: readonly string[],
): Generator<readonly [readonly string[], unknown]> {
  for (const [name, value] of Object.entries(object)) {
    const path = [...above, name];
    // A list of models is a value; no other setting lies deeper than its server.
    if (isObject(value) && name !== 'models' && above.length === 0) yield* entriesOf(value, path);
    else yield [path, value];
  }
}

/** `comfyui.startMs` is TESSERA_COMFYUI_START_MS. */
function toName(path: readonly string[]): string {
  const words = path.map((part) => part.replace(/[A-Z]/g, '_$&').toUpperCase());
  return ['TESSERA', ...words].join('_');
}

function toText(value: unknown): string | null {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  if (Array.isArray(value)) {
    const parts = value.map((part) => (isObject(part) ? null : toText(part)));
    return parts.includes(null) ? null : parts.join(',');
  }
  if (!isObject(value)) return null;
  const pairs = Object.entries(value);
  if (pairs.some(([, name]) => typeof name !== 'string')) return null;
  return pairs.map(([id, name]) => `${id}=${String(name)}`).join(',');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
