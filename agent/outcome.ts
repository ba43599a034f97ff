/**
 * What an engine says, made fit for the protocol: an engine's slip in a field must not cost the
 * job its heartbeat. Pure.
 */
import { dirname } from 'node:path';
import { assert } from '#schema/assert.ts';
import { Progress } from '#schema/api.ts';
import { ARTIFACTS_MAX } from '#schema/limits.ts';
import { Preview } from '#schema/event.ts';
import type { JobSpec } from '#schema/job.ts';
import { Usage } from '#schema/usage.ts';
import type { Output, RunResult } from './engines/engine.ts';
import { EngineError } from './engines/engine.ts';
import type { RunOutcome } from './session/state.ts';

/** Parses what engines report; null for what the protocol would refuse. */
export const clean = {
  progress: (told: Progress): Progress | null => Progress.safeParse(told).data ?? null,
  preview: (told: Preview): Preview | null => Preview.safeParse(told).data ?? null,
};

/** Work done so far, should the job be cancelled now. A text engine counts tokens as steps. */
export function usageOf(spec: JobSpec, progress: Progress): Usage {
  if (progress.stage === 'loading') return {};
  switch (spec.type) {
    case 'image':
    case 'video':
      return { steps: Math.floor(progress.fraction * spec.steps) };
    case 'text':
      return { completionTokens: Math.min(progress.step ?? 0, spec.max_tokens) };
    case 'speech':
    case 'music':
    case 'transcription':
      return {};
  }
}

/** The result with every field in bounds; throws when its files are not where they must be. */
export function checkResult(result: RunResult, directory: string): RunResult {
  assert(result.outputs.length <= ARTIFACTS_MAX, 'an engine makes as many outputs as fit a job');
  for (const { path, thumbnail } of result.outputs) {
    assert(dirname(path) === directory, 'an output lies in the folder of its run');
    assert(!thumbnail || dirname(thumbnail.path) === directory, 'and so does its thumbnail');
  }
  return {
    outputs: result.outputs.map((output): Output => ({
      ...output,
      width: pixels(output.width),
      height: pixels(output.height),
      durationS: output.durationS !== null && output.durationS >= 0 ? output.durationS : null,
    })),
    usage: Usage.safeParse(result.usage).data ?? {},
    loadMs: Number.isFinite(result.loadMs) ? Math.max(0, result.loadMs) : 0,
  };
}

function pixels(value: number | null): number | null {
  return Number.isSafeInteger(value) && value! > 0 ? value : null;
}

/** A failed run; whatever is not an `EngineError` is a fault that another attempt may not meet. */
export function describeFailure(error: unknown): Extract<RunOutcome, { kind: 'failed' }> {
  if (error instanceof EngineError) {
    const { code, retryable, message } = error;
    return { kind: 'failed', code, retryable, detail: message };
  }
  return { kind: 'failed', code: 'job_failed', retryable: true, detail: String(error) };
}

/** Whether a run failed by its disk, by the words of the system or of a tool. */
export function isDiskFull(detail: string): boolean {
  return /ENOSPC|EDQUOT|no space left on device|disk quota exceeded/i.test(detail);
}
