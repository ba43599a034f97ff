/**
 * Entry of the agent. Without a command it serves (`run`); the others help its operator. The code
 * of a command is loaded only when it is asked for. Leaves with 0 when all is well, 1 after a
 * fault, 2 when its settings, its arguments or its token are wrong, 3 when no agent runs.
 */
import { Command } from 'commander';
import packageJson from '../package.json' with { type: 'json' };
import { BUNDLE } from './bundle.ts';
import { configPath, loadSettings } from './config.ts';
import { CHILD_ARGUMENT } from './engines/child.ts';
import { readSurroundings } from './env.ts';
import type { AgentEnv } from './env.ts';

// Whoever read it has gone: `doctor | head` is no fault.
process.stdout.on('error', () => process.exit());

const print = (line: string): void => void process.stdout.write(`${line}\n`);

const program = new Command('tessera-agent')
  .description('Serves jobs of a Tessera with the engines of this machine.')
  .version(packageJson.version)
  .option('--config <file>', 'settings, instead of ~/.config/tessera/agent.json')
  .showHelpAfterError('(tessera-agent --help lists the commands)')
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));

function named(): string | undefined {
  return program.opts<{ config?: string }>().config;
}

/** Does something with sound settings; tells what is wrong with others. */
async function withSettings(act: (env: AgentEnv) => Promise<number>): Promise<void> {
  const settings = await loadSettings(named());
  if (settings.ok) {
    process.exitCode = await act(settings.env);
    return;
  }
  for (const fault of settings.faults) process.stderr.write(`${fault}\n`);
  const path = configPath(named());
  process.stderr.write(`correct it in ${path} or the environment, or run: tessera-agent init\n`);
  process.exitCode = 2;
}

interface InitOptions {
  readonly url?: string;
  readonly token?: string;
  readonly data?: string;
  readonly unit?: boolean;
  readonly yes?: boolean;
  readonly force?: boolean;
}

async function runInit(options: InitOptions): Promise<void> {
  const { init } = await import('./operator/init.ts');
  const { createInterface } = await import('node:readline/promises');
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const { url, token, data, unit, yes = false, force = false } = options;
  // Keeps lines that come before they are asked for, as from a pipe.
  const lines = terminal[Symbol.asyncIterator]();
  let isOver = false;
  terminal.once('close', () => {
    isOver = true;
  });
  const ask = async (question: string, fallback: string) => {
    if (yes) return fallback;
    terminal.setPrompt(`${question}: `);
    const isShown = !isOver;
    if (isShown) terminal.prompt();
    // The end of the input is an empty answer, to this question and all that follow.
    const { value, done } = await lines.next();
    if (done === true && isShown) print('');
    return (done === true ? '' : value.trim()) || fallback;
  };
  process.exitCode = await init({
    config: configPath(named()),
    home: readSurroundings().home,
    given: {
      ...(url === undefined ? {} : { url }),
      ...(token === undefined ? {} : { token }),
      ...(data === undefined ? {} : { data }),
      ...(unit === undefined ? {} : { unit }),
    },
    ask,
    print,
    overwrite: force,
    exec: [process.execPath, process.argv[1]!],
  });
  terminal.close();
}

async function runDoctor(): Promise<void> {
  const { examine, REAL_BOX } = await import('./operator/doctor.ts');
  const { describe } = await import('./operator/finding.ts');
  const { askGpu } = await import('./gpu.ts');
  const settings = await loadSettings(named());
  for await (const finding of examine(settings, { ...REAL_BOX, askGpu }, named())) {
    print(describe(finding));
    if (finding.state === 'bad') process.exitCode = 1;
  }
}

async function fetchNow(env: AgentEnv): Promise<number> {
  const { fetchModel } = await import('./operator/model.ts');
  const { stdout } = process;
  const draw = (line: string): void => void stdout.write(`\r${line}`);
  const { signal } = new AbortController();
  return fetchModel(env, { print, draw: stdout.isTTY ? draw : null, signal });
}

/** The one-file build as the process of an embedded engine. */
async function runChild(name: string): Promise<void> {
  switch (name) {
    case 'painter':
      await import('./engines/painter/child.ts');
      return;
    case 'animator':
      await import('./engines/animator/child.ts');
      return;
    case 'composer':
      await import('./engines/composer/child.ts');
      return;
    case 'llama':
      await import('./engines/llama/child.ts');
      return;
    case 'onnx':
      await import('./check/onnx/child.ts');
      return;
    case 'flite':
      await import('./engines/flite/child.ts');
      return;
    default:
      process.exit(2);
  }
}

program
  .command('run', { isDefault: true })
  .description('take jobs and run them, until told to stop')
  .action(() => withSettings(async (env) => (await import('./daemon.ts')).serve(env)));
program
  .command('init')
  .description('write the settings: asks, and looks for engines on this machine')
  .option('--url <url>', 'address of the service')
  .option('--token <token>', 'token of this agent')
  .option('--data <folder>', 'where results wait until they are delivered')
  .option('--unit', 'write a systemd unit too')
  .option('--no-unit', 'write none')
  .option('--yes', 'ask nothing')
  .option('--force', 'replace settings that are there')
  .action(runInit);
program
  .command('doctor')
  .description('look at everything the agent needs, and say how to mend what is wrong')
  .action(runDoctor);
program
  .command('status')
  .description('how the agent on this machine does')
  .action(() =>
    withSettings(async ({ data }) => (await import('./operator/control.ts')).status(data, print)),
  );
program
  .command('fetch')
  .description('download the embedded language model now')
  .action(() => withSettings(fetchNow));
program
  .command('drain')
  .description('tell the agent on this machine to finish and leave, and wait for it')
  .action(() =>
    withSettings(async ({ data }) => (await import('./operator/control.ts')).drain(data, print)),
  );

if (BUNDLE && process.argv[2] === CHILD_ARGUMENT) {
  await runChild(process.argv[3] ?? '');
} else {
  await program.parseAsync();
  process.exit();
}
