/** What tests of ComfyUI's driver begin with: waits that a double needs, and a job. */
import type { ImageSpec } from '#schema/job.ts';

export const PACE = {
  callMs: 5000,
  pollMs: 4,
  awayMs: 40,
  stallMs: 60_000,
  stopMs: 10_000,
  freeMs: 400,
  previewMs: 0,
};

export const IMAGE: ImageSpec = {
  type: 'image',
  model: 'sdxl',
  prompt: 'a lighthouse at night',
  negative_prompt: 'blurry',
  width: 96,
  height: 64,
  steps: 6,
  guidance: 5,
  seed: 11,
  count: 1,
  input_image: null,
  mask: null,
  strength: 0.5,
  loras: [],
  upscale: 1,
};
