/**
 * One supervised child process of the local system.
 *
 * stopped -> starting -> up -> (dies) -> waiting -> starting -> ... -> stopping -> stopped.
 * A part that dies is named and started again after a doubling, jittered pause; one that keeps
 * dying is called a crash loop once and tried slowly for ever. Each child leads a process group
 * of its own: Ctrl-C in the terminal reaches only the launcher, which stops parts in order, and
 * whatever a killed child leaves behind (workerd) is killed with its group.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { LogFile } from './log-file.ts';
import { tellMs, type Say } from './progress.ts';

const PAUSE_MS = 250;
const PAUSE_MS_MAX = 30_000;
/** A part that lived this long has recovered: the next pause is short again. */
const RECOVERED_MS = 30_000;
const CRASH_LOOP = 5;
const LEASH = join(import.meta.dirname, 'leash.ts');

export type PartOptions = {
  name: string;
  /** Arguments of node: the script and its own. */
  args: readonly string[];
  env?: Record<string, string>;
  cwd: string;
  logDir: string;
  /** How long a stop may take before the part is killed. */
  stopMs: number;
  /** The child tells by a message that it is ready; otherwise it is up once spawned. */
  announces: boolean;
  /** Lines of the child worth showing; undefined hides the line. */
  show?: (line: string) => string | undefined;
  /** Called whenever a child was spawned: its process id is new. */
  onSpawn?: () => void;
  print: Say;
};

type Ready = Record<string, unknown>;

export class Part {
  readonly name: string;
  readonly #options: PartOptions;
  readonly #log: LogFile;
  #child: ChildProcess | undefined;
  #stopping = false;
  #deaths = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: PartOptions) {
    this.name = options.name;
    this.#options = options;
    this.#log = new LogFile(join(options.logDir, `${options.name}.log`));
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts the child; rejects when it ends before it is ready. Supervised from then on. */
  async start(): Promise<Ready> {
    return this.#spawn();
  }

  /** SIGTERM, then SIGKILL for the whole group after `stopMs`. */
  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGTERM');
    const timer = setTimeout(() => this.#killGroup(child), this.#options.stopMs);
    await gone;
    clearTimeout(timer);
  }

  /** Kills the child as a power cut would: for tests of the supervision. */
  kill(): void {
    this.#child?.kill('SIGKILL');
  }

  #spawn(): Promise<Ready> {
    const { args, env, cwd, announces } = this.#options;
    const child = spawn(process.execPath, ['--import', LEASH, ...args], {
      cwd,
      env: { ...process.env, ...env },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#child = child;
    this.#options.onSpawn?.();
    this.#relay(child);
    return new Promise((resolve, reject) => {
      let recovered: NodeJS.Timeout | undefined;
      const rise = (message: Ready) => {
        recovered ??= setTimeout(() => (this.#deaths = 0), RECOVERED_MS).unref();
        resolve(message);
      };
      child.once('error', reject);
      child.once('exit', (code, signal) => {
        this.#killGroup(child);
        clearTimeout(recovered);
        if (recovered !== undefined) return this.#comeBack();
        reject(new Error(`${this.name} ended (${signal ?? code}): see ${this.#log.path}`));
      });
      if (!announces) child.once('spawn', () => rise({}));
      child.on('message', (message: Ready) => {
        if (message['ready'] === true) rise(message);
      });
    });
  }

  #comeBack(): void {
    if (this.#stopping) return;
    this.#deaths += 1;
    const pauseMs = Math.min(PAUSE_MS_MAX, PAUSE_MS * 2 ** (this.#deaths - 1));
    const jitteredMs = pauseMs * (0.75 + Math.random() / 2);
    const how = this.#child?.signalCode ?? this.#child?.exitCode;
    this.#options.print(
      this.#deaths === CRASH_LOOP
        ? `! ${this.name} keeps ending (${how}); still trying, ever slower. See ${this.#log.path}`
        : `! ${this.name} ended (${how}); again in ${tellMs(jitteredMs)}`,
    );
    this.#timer = setTimeout(() => void this.#again(), jitteredMs);
  }

  async #again(): Promise<void> {
    const startedAt = performance.now();
    try {
      await this.#spawn();
    } catch {
      this.#comeBack();
      return;
    }
    this.#options.print(`· ${this.name} is back in ${tellMs(performance.now() - startedAt)}`);
  }

  #killGroup(child: ChildProcess): void {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // the group is already gone
    }
  }

  #relay(child: ChildProcess): void {
    for (const stream of [child.stdout, child.stderr]) {
      let partial = '';
      stream?.on('data', (chunk: Buffer) => {
        this.#log.write(chunk);
        const lines = (partial + chunk.toString('utf8')).split('\n');
        partial = (lines.pop() ?? '').slice(-LINE_CHARS_MAX);
        for (const line of lines) {
          const shown = this.#options.show?.(line);
          if (shown !== undefined) this.#options.print(`  ${this.name}: ${shown}`);
        }
      });
    }
  }
}

const LINE_CHARS_MAX = 64 * 1024;
