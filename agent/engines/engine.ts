/**
 * What the agent asks of an engine. One file beside this one per engine.
 * An engine runs one job, or one batch, at a time, never keeps a result, stops soon after its signal aborts
 * (well under a second), and fails only with `EngineError`. It must not block the event loop:
 * heavy work belongs in another process.
 */
import type { FailureCode } from '#schema/agent-protocol.ts';
import type { Progress } from '#schema/api.ts';
import type { ContentType } from '#schema/artifact.ts';
import type { Preview } from '#schema/event.ts';
import type { JobSpec } from '#schema/job.ts';
import type { ModelId } from '#schema/model.ts';
import type { Usage } from '#schema/usage.ts';

export interface EngineInfo {
  readonly version: string;
  /** Models that are installed and would run now. */
  readonly models: readonly ModelId[];
  /** Like jobs that `runBatch` takes at once; by default 1. */
  readonly batchMax?: number;
}

/** A finished output on disk. */
export interface Output {
  readonly path: string;
  readonly contentType: ContentType;
  readonly width: number | null;
  readonly height: number | null;
  readonly durationS: number | null;
  /** A small picture of it, or null when it has none. */
  readonly thumbnail: { readonly path: string; readonly contentType: ContentType } | null;
}

export interface RunResult {
  readonly outputs: readonly Output[];
  readonly usage: Usage;
  /** Time spent loading the model, ms; 0 when it was resident. */
  readonly loadMs: number;
}

export interface RunContext {
  /** Aborts when the job is cancelled, its lease is lost or its time is over. */
  readonly signal: AbortSignal;
  /** A folder of this run, with the files that were opened; the agent removes it after the upload. */
  readonly directory: string;
  /** Where a file of the job lies; fetched when first asked for. Rejects with `EngineError`. */
  readonly openInput: (fileId: string) => Promise<string>;
  readonly onProgress: (progress: Progress) => void;
  readonly onPreview: (preview: Preview) => void;
  /** Generated text as it comes. */
  readonly onText: (text: string) => void;
}

/** One job of a batch. */
export interface EngineJob {
  readonly spec: JobSpec;
  readonly context: RunContext;
}

export interface Engine {
  /** Unique among the agent's engines. */
  readonly name: string;
  /** Used where it can run; that it cannot run here, is no fault. */
  readonly optional?: boolean;
  /** Asks the engine what it has; null when it cannot run here. */
  discover(signal: AbortSignal): Promise<EngineInfo | null>;
  /** Models loaded now. */
  resident(): readonly ModelId[];
  /** Runs a job; rejects with `EngineError`, or the signal's reason when aborted. */
  run(spec: JobSpec, context: RunContext): Promise<RunResult>;
  /**
   * Runs several like jobs in one execution; each ends by itself, as that of `run` would, and may
   * end before the others. One whose signal aborts is rejected soon: it is taken out when the
   * engine can do that, else made in vain. The last to end, ends the execution.
   */
  runBatch?(jobs: readonly EngineJob[]): readonly Promise<RunResult>[];
  /** Starts it, where that is needed to know what it has; `discover` then knows. May take minutes. */
  survey?(signal: AbortSignal): Promise<void>;
  /** Whether it holds memory of its own even with no model loaded: a process that we started. */
  occupies?(): boolean;
  /** Whether it rests after failures, and is not to be started now. */
  resting?(): boolean;
  /** What is wrong with it, for the operator; null when nothing is. */
  trouble?(): string | null;
  /** Unloads every model and gives the memory back. */
  free(): Promise<void>;
  close(): Promise<void>;
}

/** Why a run failed. `detail` is the engine's own words, for the operator's log only. */
export class EngineError extends Error {
  readonly code: FailureCode;
  readonly retryable: boolean;

  constructor(failure: { code: FailureCode; retryable: boolean; detail: string }) {
    super(failure.detail);
    this.name = 'EngineError';
    this.code = failure.code;
    this.retryable = failure.retryable;
  }
}
