/**
 * Which engine runs a model, and which engines must give their memory back before. Pure.
 * Only one engine at a time is loaded on the GPU; models that need no graphics memory run beside
 * any other and never displace one.
 */
import { findModel } from '#schema/model.ts';
import type { ModelId } from '#schema/model.ts';

export interface EngineState {
  readonly name: string;
  /** What it has installed; empty while it is away. */
  readonly models: readonly ModelId[];
  readonly resident: readonly ModelId[];
}

export interface Placement {
  readonly engine: string;
  /** Engines to be freed first. */
  readonly free: readonly string[];
}

/** Where a model is to run, or null when no engine has it. */
export function place(model: ModelId, engines: readonly EngineState[]): Placement | null {
  const able = engines.filter((engine) => engine.models.includes(model));
  const chosen =
    able.find((engine) => engine.resident.includes(model)) ?? able.find(holdsGpu) ?? able[0];
  if (!chosen) return null;
  const free = usesGpu(model)
    ? engines.filter((engine) => engine !== chosen && holdsGpu(engine)).map(({ name }) => name)
    : [];
  return { engine: chosen.name, free };
}

/** Every loaded model once; those on the GPU first, since they cost most to bring back. */
export function residentModels(engines: readonly EngineState[]): ModelId[] {
  const all = [...new Set(engines.flatMap((engine) => engine.resident))];
  return [...all.filter(usesGpu), ...all.filter((model) => !usesGpu(model))];
}

/** A model that the catalog does not know is taken to need the GPU. */
function usesGpu(model: ModelId): boolean {
  return (findModel(model)?.vramMib ?? 1) > 0;
}

function holdsGpu(engine: EngineState): boolean {
  return engine.resident.some(usesGpu);
}
