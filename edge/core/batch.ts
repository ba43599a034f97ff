/** Which jobs may run together: equal in all that one execution of an engine has in common. */
import type { JobSpec } from '#schema/job.ts';

/** Model, size, steps, guidance and count; empty for a job that always runs by itself. */
export function batchKeyOf(spec: JobSpec): string {
  if (spec.type !== 'image') return '';
  if (spec.input_image || spec.mask || spec.loras.length > 0 || spec.upscale !== 1) return '';
  const { model, width, height, steps, guidance, count } = spec;
  return `${model}:${width}x${height}:${steps}:${guidance}:${count}`;
}
