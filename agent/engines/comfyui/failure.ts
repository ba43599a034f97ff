/**
 * What a failure of ComfyUI means, and whether another attempt may end better. Pure: every sign
 * that the server gives (a refusal, node errors, an exception, an end that never came) maps to
 * one code of the protocol. The engine's own words go into `detail`, for the operator only.
 */
import { z } from 'zod';
import { EngineError } from '../engine.ts';
import { WORDS_CHARS_MAX } from './limits.ts';

/** What else follows from a failure, beside its code. */
export type Consequence =
  /** Nothing. */
  | 'none'
  /** Once more after memory was given back. */
  | 'free'
  /** The process can compute nothing more until it is started again. */
  | 'poisoned'
  /** A model file is damaged: the workflow is not offered until the server is started again. */
  | 'damaged';

export class ComfyFailure extends EngineError {
  readonly consequence: Consequence;

  constructor(failure: {
    code: EngineError['code'];
    retryable: boolean;
    detail: string;
    consequence?: Consequence;
  }) {
    super({ ...failure, detail: failure.detail.slice(0, WORDS_CHARS_MAX) });
    this.consequence = failure.consequence ?? 'none';
  }
}

const Problem = z.object({
  type: z.string().catch('unknown'),
  message: z.string().catch(''),
  details: z.string().catch(''),
  extra_info: z.object({ input_name: z.string().optional() }).catch({}),
});
const Top = z.object({ type: z.string(), message: z.string().catch('') });
const Problems = z.record(
  z.string(),
  z.object({ errors: z.array(Problem).catch([]), class_type: z.string().catch('?') }),
);

/** Body of an answer to `POST /prompt`. */
export const PromptAnswer = z.object({
  prompt_id: z.string().optional(),
  error: z.union([Top, z.string()]).optional().catch(undefined),
  /** An empty list stands for none. */
  node_errors: Problems.optional().catch(undefined),
});
export type PromptAnswer = z.infer<typeof PromptAnswer>;

/** A refusal by `POST /prompt`: also one with status 200 whose node errors are not empty. */
export function fromRefusal(status: number, answer: PromptAnswer | null): ComfyFailure {
  if (!answer || status >= 500) {
    const detail = `POST /prompt was answered ${status}`;
    return new ComfyFailure({ code: 'engine_unavailable', retryable: true, detail });
  }
  const problems = Object.entries(answer.node_errors ?? {}).flatMap(([id, node]) =>
    node.errors.map((problem) => ({ id, node: node.class_type, ...problem })),
  );
  const words = problems.map(
    ({ id, node, type, message, details }) => `${node} ${id}: ${type}: ${message} ${details}`,
  );
  const top = typeof answer.error === 'object' ? answer.error : null;
  const said = top ? `${top.type}: ${top.message}` : `status ${status}`;
  const detail = [said, ...words].join('\n');
  // A file that is not there, or a node that was removed: another box may have it.
  const missing =
    problems.some((one) => one.type === 'value_not_in_list' && isFileInput(one.extra_info)) ||
    (top !== null && /^(missing_node_type|invalid_prompt)$/.test(top.type));
  return missing
    ? new ComfyFailure({ code: 'model_unavailable', retryable: true, detail })
    : new ComfyFailure({ code: 'engine_rejected', retryable: false, detail });
}

function isFileInput({ input_name: name }: { input_name?: string | undefined }): boolean {
  return name !== undefined && /_name\d*$/.test(name);
}

/** The exception of an execution, as ComfyUI tells it. */
export const Exception = z.object({
  node_type: z.string().catch('?'),
  exception_type: z.string().catch('?'),
  exception_message: z.string().catch(''),
});
export type Exception = z.infer<typeof Exception>;

/** In this order: the first that fits. `on` is tried on `type: message`. */
const SIGNS: readonly {
  readonly on: RegExp;
  readonly code: EngineError['code'];
  readonly retryable: boolean;
  readonly consequence: Consequence;
}[] = [
  {
    // Poisons the process, and may mention memory: before the other signs.
    on: /device-side assert|illegal memory access|unspecified launch failure|CUDA error: (misaligned|an illegal)/i,
    code: 'engine_unavailable',
    retryable: true,
    consequence: 'poisoned',
  },
  {
    on: /OutOfMemoryError|out of memory|can't allocate memory|not enough memory|ALLOC_FAILED|MemoryError/i,
    code: 'engine_out_of_memory',
    retryable: true,
    consequence: 'free',
  },
  {
    on: /SafetensorError|UnpicklingError|PytorchStreamReader failed|HeaderTooLarge|InvalidHeader/,
    code: 'model_unavailable',
    retryable: true,
    consequence: 'damaged',
  },
  {
    on: /UnidentifiedImageError|cannot identify image file/,
    code: 'input_unreadable',
    retryable: false,
    consequence: 'none',
  },
  { on: /ExecutionBlocked/, code: 'job_failed', retryable: false, consequence: 'none' },
  {
    // A graph and files that do not belong together: the same everywhere.
    on: /FileNotFoundError|KeyError|size mismatch|shapes cannot be multiplied|clip input is invalid|VAE is invalid|ModelNotFound|Could not detect model type/i,
    code: 'model_unavailable',
    retryable: false,
    consequence: 'none',
  },
];

/** An execution that ended with an exception. */
export function fromException(exception: Exception): ComfyFailure {
  const { node_type: node, exception_type: type, exception_message: message } = exception;
  const sign = SIGNS.find(({ on }) => on.test(`${type}: ${message}`));
  const detail = `${node}: ${type}: ${message}`;
  const { code, retryable, consequence } = sign ?? {
    code: 'job_failed' as const,
    retryable: true,
    consequence: 'none' as const,
  };
  return new ComfyFailure({ code, retryable, detail, consequence });
}

/** Ends that no exception tells. */
export const ends = {
  /** The process went away, or came back with nothing in its queue and history. */
  lost: (detail: string) =>
    new ComfyFailure({ code: 'engine_unavailable', retryable: true, detail }),
  /** Somebody else stopped it, or took it out of the queue. */
  interrupted: () =>
    new ComfyFailure({
      code: 'job_failed',
      retryable: true,
      detail: 'stopped by somebody else on the ComfyUI server',
    }),
  stalled: (ms: number) =>
    new ComfyFailure({
      code: 'job_timeout',
      retryable: true,
      detail: `no sign of life for ${ms} ms`,
    }),
  /** It says that it succeeded, and has nothing to show for it. */
  empty: (detail: string) => new ComfyFailure({ code: 'job_failed', retryable: false, detail }),
  /** A file that it named is gone or is not what it should be. */
  spoilt: (detail: string) => new ComfyFailure({ code: 'job_failed', retryable: true, detail }),
  rejected: (detail: string) =>
    new ComfyFailure({ code: 'engine_rejected', retryable: false, detail }),
  missing: (detail: string) =>
    new ComfyFailure({ code: 'model_unavailable', retryable: true, detail }),
  unreadable: (detail: string) =>
    new ComfyFailure({ code: 'input_unreadable', retryable: false, detail }),
} as const;
