/**
 * Which classifier looks at what was made: an ONNX model by its path, with a JSON file beside it
 * that says what goes in and what its answers mean. Read from the environment by env.ts; pure.
 */
import { resolve } from 'node:path';
import { z } from 'zod';

export interface ClassifierSettings {
  /** Absolute. */
  readonly model: string;
  /** A folder whose node_modules has onnxruntime-node and sharp; null: the agent's own. */
  readonly home: string | null;
}

/** Its variables, by their names; to be spread into the agent's settings. */
export const ClassifierEnv = z.object({
  TESSERA_CLASSIFIER_MODEL: z.string().optional(),
  TESSERA_CLASSIFIER_HOME: z.string().optional(),
});

/** Its settings, or null when none is asked for. */
export function classifierOf(env: z.infer<typeof ClassifierEnv>): ClassifierSettings | null {
  const { TESSERA_CLASSIFIER_MODEL: model, TESSERA_CLASSIFIER_HOME: home } = env;
  if (model === undefined) return null;
  return { model: resolve(model), home: home === undefined ? null : resolve(home) };
}

const SIDE_PX_MAX = 1024;
const three = z.tuple([z.number(), z.number(), z.number()]);

/** `model.json` beside `model.onnx`: what an image classifier wants, and which answers block. */
export const ClassifierCard = z.strictObject({
  /** Of the square that the picture is made into, px. */
  sidePx: z.int().min(1).max(SIDE_PX_MAX),
  /** Of each channel, of values 0 to 1. */
  mean: three.default([0.5, 0.5, 0.5]),
  std: three.default([0.5, 0.5, 0.5]),
  /** What each answer stands for, in their order. */
  labels: z.array(z.string().min(1)).min(2),
  /** Labels that block, from which certainty on. */
  blocks: z.record(z.string(), z.number().min(0).max(1)),
  /** Whether the answers are certainties already, not logits. */
  isProbability: z.boolean().default(false),
});
export type ClassifierCard = z.infer<typeof ClassifierCard>;
