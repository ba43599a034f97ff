import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ComfyDouble } from '../doubles/comfyui.ts';
import { COMFYUI_CHECKS, ComfyuiBench } from './conformance.ts';

describe('the double of ComfyUI', () => {
  let comfy: ComfyDouble;
  let bench: ComfyuiBench;

  beforeEach(async () => {
    comfy = await ComfyDouble.start();
    bench = new ComfyuiBench({ url: comfy.url, pace: { pollMs: 4, freeMs: 200 } });
    await bench.open();
    bench.models = (await bench.engine.discover(new AbortController().signal))!.models;
  });
  afterEach(async () => {
    await bench.close();
    await comfy.crash();
  });

  it.each(COMFYUI_CHECKS.map((check) => [check.claim, check] as const))(
    'passes as a real one does: %s',
    async (_, check) => {
      // Every check is tried: none finds a reason to be left out.
      expect(await check.run(bench)).toBeUndefined();
    },
  );
});
