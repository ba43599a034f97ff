/**
 * `npm run engines:verify -- --comfyui http://127.0.0.1:8188 --text URL --koboldcpp URL
 * --speech URL --whisper URL [--recording FILE] --llama FILE.gguf [--llama-home DIR]`: puts servers that run elsewhere, and the
 * embedded model, to the same checks that the tests' doubles pass, and prints one line for each.
 * A transcription server hears the recording, or else our own embedded voice.
 * `--workflows DIR` adds an operator's ComfyUI workflows; DIR of the model has node-llama-cpp.
 * Exit code 1 when a check failed, 2 when nothing was asked.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { COMFYUI_CHECKS, ComfyuiBench } from '../agent/engines/comfyui/conformance.ts';
import type { Engine } from '../agent/engines/engine.ts';
import { createFlite } from '../agent/engines/flite.ts';
import { createKoboldcpp } from '../agent/engines/koboldcpp.ts';
import { createLlama } from '../agent/engines/llama.ts';
import { LlamaEnv, llamaOf } from '../agent/engines/llama/settings.ts';
import { createOpenaiText } from '../agent/engines/openai-text.ts';
import { verifyEngine } from '../agent/engines/server/conformance.ts';
import { ServerEnv, serversOf } from '../agent/engines/server/settings.ts';
import { createSpeech } from '../agent/engines/speech.ts';
import { createWhisper } from '../agent/engines/whisper.ts';

const SERVERS = {
  koboldcpp: { create: createKoboldcpp, variable: 'TESSERA_KOBOLDCPP_URL' },
  text: { create: createOpenaiText, variable: 'TESSERA_TEXT_URL' },
  speech: { create: createSpeech, variable: 'TESSERA_SPEECH_URL' },
} as const;
type ServerName = keyof typeof SERVERS;

const say = (words: string): void => console.log(`       ${words}`);

/** Why a check failed, why it was not made, or null twice. */
interface Outcome {
  readonly fault: string | null;
  readonly skipped: string | null;
}

function tell(claim: string, { fault, skipped }: Outcome): number {
  if (fault !== null) console.log(`FAIL   ${claim}\n       ${fault}`);
  else if (skipped !== null) console.log(`skip   ${claim} (${skipped})`);
  else console.log(`ok     ${claim}`);
  return fault === null ? 0 : 1;
}

/** How many checks failed. */
async function verifyComfyui(address: string, workflows: string | undefined): Promise<number> {
  const bench = new ComfyuiBench({ url: new URL(address), workflows: workflows ?? null, say });
  await bench.open();
  let failed = 0;
  for (const { claim, run } of COMFYUI_CHECKS) {
    let outcome: Outcome;
    try {
      outcome = { fault: null, skipped: (await run(bench)) || null };
    } catch (error) {
      outcome = { fault: String(error), skipped: null };
    }
    failed += tell(`comfyui: ${claim}`, outcome);
  }
  await bench.close();
  return failed;
}

async function verifyServer(name: ServerName, address: string): Promise<number> {
  const { create, variable } = SERVERS[name];
  const settings = serversOf(ServerEnv.parse({ [variable]: address }))[name];
  if (!settings) throw new Error(`${variable} names no server`);
  return verify(name, create({ settings, say }));
}

async function verifyLlama(model: string, home: string | undefined): Promise<number> {
  const variables = { TESSERA_LLAMA_MODEL: model, TESSERA_LLAMA_HOME: home };
  const { llama, fault } = llamaOf(LlamaEnv.parse(variables), '.');
  if (!llama) throw new Error(fault ?? 'no model is named');
  return verify('llama', createLlama({ settings: llama, say }));
}

async function verifyWhisper(address: string, recording: string | undefined): Promise<number> {
  const settings = serversOf(ServerEnv.parse({ TESSERA_WHISPER_URL: address })).whisper;
  if (!settings) throw new Error('--whisper names no server');
  const directory = await mkdtemp(join(tmpdir(), 'tessera-verify-'));
  try {
    const path = recording ?? (await speak(directory));
    return await verify('whisper', createWhisper({ settings, say }), path);
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** A recording to hear, by the embedded voice. */
async function speak(directory: string): Promise<string> {
  const engine = createFlite();
  const input = 'The lighthouse stands on a rock. Its lamp turns all night.';
  const voiced = {
    type: 'speech',
    model: 'flite',
    voice: 'slt',
    speed: 1,
    language: 'en',
  } as const;
  try {
    const { outputs } = await engine.run(
      { ...voiced, input, format: 'wav' },
      {
        signal: new AbortController().signal,
        directory,
        openInput: () => Promise.reject(new Error('speech brings no file')),
        onProgress: () => {},
        onPreview: () => {},
        onText: () => {},
      },
    );
    return outputs[0]!.path;
  } finally {
    await engine.close();
  }
}

async function verify(
  name: string,
  engine: Engine,
  recording: string | null = null,
): Promise<number> {
  const checks = await verifyEngine(engine, recording);
  await engine.close();
  return checks.reduce(
    (failed, { claim, fault }) => failed + tell(`${name}: ${claim}`, { fault, skipped: null }),
    0,
  );
}

const url = { type: 'string' } as const;
const { values } = parseArgs({
  options: {
    comfyui: url,
    workflows: url,
    koboldcpp: url,
    text: url,
    speech: url,
    whisper: url,
    recording: url,
    llama: url,
    'llama-home': url,
  },
});
const names = (Object.keys(SERVERS) as ServerName[]).filter((name) => values[name]);
if (!values.comfyui && !values.llama && !values.whisper && names.length === 0) {
  console.error(
    'usage: npm run engines:verify -- [--comfyui URL [--workflows DIR]] [--koboldcpp URL] [--text URL] [--speech URL] [--whisper URL [--recording FILE]] [--llama FILE [--llama-home DIR]]',
  );
  process.exitCode = 2;
} else {
  let failed = values.comfyui ? await verifyComfyui(values.comfyui, values.workflows) : 0;
  if (values.llama) failed += await verifyLlama(values.llama, values['llama-home']);
  if (values.whisper) failed += await verifyWhisper(values.whisper, values.recording);
  for (const name of names) failed += await verifyServer(name, values[name]!);
  process.exitCode = failed > 0 ? 1 : 0;
}
