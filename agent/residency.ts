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
  /** Whether a process of it is there, which holds graphics memory even with nothing loaded. */
  readonly occupies?: boolean;
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
  const { occupies = false, models, resident } = engine;
  return resident.some(usesGpu) || (occupies && (models.length === 0 || models.some(usesGpu)));
}

/** Engines that give their memory back before one is started that nobody has asked yet. */
export function freedFor(name: string, engines: readonly EngineState[]): string[] {
  return engines.filter((other) => other.name !== name && holdsGpu(other)).map((one) => one.name);
}

/** Graphics memory that a model needs, MiB; null for one that the catalog does not know. */
export function memoryOf(model: ModelId): number | null {
  return findModel(model)?.vramMib ?? null;
}
