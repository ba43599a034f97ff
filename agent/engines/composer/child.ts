/**
 * The process of the composer: holds the sound bank, composes, plays, levels, fades out and
 * writes the file.
 */
import type { BasicSoundBank } from 'spessasynth_core';
import { assert } from '#schema/assert.ts';
import { durationOf, level, writeSound } from '../audio.ts';
import type { AudioFormat, Sound } from '../audio.ts';
import { loadBank, render } from './render.ts';
import { compose } from './score.ts';
import { serve } from '../serve.ts';

export interface ComposerRequest {
  readonly prompt: string;
  readonly seed: number;
  readonly durationS: number;
  readonly format: AudioFormat;
  readonly directory: string;
}

/** Seconds of the piece that are rendered. */
export interface ComposerEvent {
  readonly renderedS: number;
}

export interface ComposerResult {
  readonly path: string;
  readonly durationS: number;
}

const LOUDNESS = 0.14;
const PEAK = 0.93;
const FADE_S = 2;

let bank: BasicSoundBank | null = null;

function fadeOut({ channels, sampleRate }: Sound, seconds: number): void {
  const frames = channels[0]?.length ?? 0;
  const length = Math.min(frames, Math.round(seconds * sampleRate));
  for (const channel of channels) {
    for (let i = 0; i < length; i++) {
      const at = frames - length + i;
      channel[at] = channel[at]! * Math.cos(((i + 1) / length) * (Math.PI / 2)) ** 2;
    }
  }
}

serve<ComposerRequest, ComposerEvent, ComposerResult>({
  load: async () => {
    bank = await loadBank();
  },
  handle: async (request, emit) => {
    const score = compose(request.prompt, request.seed, request.durationS);
    assert(bank !== null, 'the bank is loaded before the first request');
    const onSecond = (renderedS: number): Promise<void> => emit({ renderedS });
    const sound = await render(score, { bank, durationS: request.durationS, onSecond });
    level(sound, { loudness: LOUDNESS, peak: PEAK });
    fadeOut(sound, Math.min(FADE_S, request.durationS * 0.25));
    return { path: await writeSound(sound, request), durationS: durationOf(sound) };
  },
});
