/**
 * Whether a workflow would run on a server, by the schemas of its nodes. Pure: every node class
 * is installed, every required input is given, every choice is on its list, every bound of a slot
 * is within the node's, and every model file is there. Answers the file names to use.
 */
import type { NodeInfo } from './server.ts';
import { splitAddress } from './template.ts';
import type { Workflow } from './template.ts';

/** Classes that put LoRAs and upscalers into a graph; optional for every workflow. */
export const LORA_LOADER = 'LoraLoader';
export const UPSCALERS = ['UpscaleModelLoader', 'ImageUpscaleWithModel', 'ImageScale'] as const;

/** A workflow that would run, and with which files. */
export interface Offer {
  readonly workflow: Workflow;
  /** Values of the inputs that name model files, by address. */
  readonly files: Readonly<Record<string, string>>;
  /** LoRAs that are installed; empty where the workflow takes none. */
  readonly loras: readonly string[];
  /** The upscaler to use; null when there is none. */
  readonly upscaler: string | null;
}

export type Fit =
  | { readonly ok: true; readonly offer: Offer }
  | { readonly ok: false; readonly why: string };

/** Schemas by class; null for a class that is not installed. */
export type Classes = ReadonlyMap<string, NodeInfo | null>;

/** Every class whose schema is asked for. */
export function classesOf(workflows: readonly Workflow[]): readonly string[] {
  const names = new Set<string>([LORA_LOADER, ...UPSCALERS]);
  for (const { graph, formats } of workflows) {
    for (const nodes of [graph, ...Object.values(formats ?? {})]) {
      for (const node of Object.values(nodes)) names.add(node.class_type);
    }
  }
  return [...names];
}

/** Fits one workflow to a server. */
export function fit(workflow: Workflow, classes: Classes): Fit {
  const files: Record<string, string> = {};
  for (const { to, any } of Object.values(workflow.files)) {
    for (const address of to) {
      const file = pick(any, choicesAt(workflow, address, classes) ?? []);
      if (file === null) return { ok: false, why: `no ${any.join(' or ')}` };
      files[address] = file;
    }
  }
  for (const why of obstacles(workflow, classes, files)) return { ok: false, why };
  const { lora, upscale } = workflow;
  const loras = lora ? choicesOf(classes.get(LORA_LOADER) ?? null, 'lora_name') : null;
  const scales = upscale && UPSCALERS.every((name) => classes.get(name));
  const upscalers = scales ? choicesOf(classes.get(UPSCALERS[0]) ?? null, 'model_name') : null;
  const upscaler = upscale && upscalers ? pick(upscale.any, upscalers) : null;
  return { ok: true, offer: { workflow, files, loras: loras ?? [], upscaler } };
}

function* obstacles(
  workflow: Workflow,
  classes: Classes,
  files: Readonly<Record<string, string>>,
): Generator<string> {
  const { graph, slots } = workflow;
  const extra = Object.values(workflow.formats ?? {}).flatMap((nodes) => Object.entries(nodes));
  const filled = new Set(Object.values(slots).flatMap(({ to }) => to));
  for (const [id, node] of [...Object.entries(graph), ...extra]) {
    const info = classes.get(node.class_type);
    if (!info) {
      yield `no node ${node.class_type}`;
      continue;
    }
    for (const input of Object.keys(info.input.required)) {
      if (node.inputs[input] === undefined) yield `${node.class_type} also wants ${input}`;
    }
    for (const [input, value] of Object.entries(node.inputs)) {
      const address = `${id}.${input}`;
      if (typeof value !== 'string' || filled.has(address) || address in files) continue;
      const choices = choicesOf(info, input);
      if (choices && !choices.includes(value)) yield `${node.class_type} has no ${input} ${value}`;
    }
  }
  for (const [name, slot] of Object.entries(slots)) {
    if (slot.type !== 'integer' && slot.type !== 'number') continue;
    for (const address of slot.to) {
      const [id, input] = splitAddress(address);
      const info = classes.get(graph[id]!.class_type);
      const { min, max } = boundsOf(info ?? null, input);
      if (slot.min < min || slot.max > max) {
        yield `slot ${name} goes beyond ${min} to ${max} of ${address}`;
      }
    }
  }
}

function choicesAt(
  { graph }: Workflow,
  address: string,
  classes: Classes,
): readonly string[] | null {
  const [id, input] = splitAddress(address);
  return choicesOf(classes.get(graph[id]!.class_type) ?? null, input);
}

/** The list of an input that is a choice, in either of its two shapes; null for any other. */
export function choicesOf(info: NodeInfo | null, input: string): readonly string[] | null {
  const { kind, options } = specOf(info, input);
  const list = Array.isArray(kind) ? (kind as unknown[]) : kind === 'COMBO' && options['options'];
  return Array.isArray(list) ? list.filter((one) => typeof one === 'string') : null;
}

function boundsOf(info: NodeInfo | null, input: string): { min: number; max: number } {
  const { min, max } = specOf(info, input).options as { min?: unknown; max?: unknown };
  return {
    min: typeof min === 'number' ? min : -Infinity,
    max: typeof max === 'number' ? max : Infinity,
  };
}

function specOf(
  info: NodeInfo | null,
  input: string,
): { kind: unknown; options: Readonly<Record<string, unknown>> } {
  const told = info?.input.required[input] ?? info?.input.optional[input];
  const [kind, options] = Array.isArray(told) ? (told as unknown[]) : [];
  return { kind, options: (options ?? {}) as Record<string, unknown> };
}

/** The first installed name that a pattern fits; patterns are tried on the name without folder. */
export function pick(patterns: readonly string[], installed: readonly string[]): string | null {
  for (const pattern of patterns) {
    const fits = toRegExp(pattern);
    const found = installed.find((name) => fits.test(baseName(name)));
    if (found !== undefined) return found;
  }
  return null;
}

/** Without its folder, which a server on Windows parts by a backslash. */
export function baseName(name: string): string {
  return name.slice(Math.max(name.lastIndexOf('/'), name.lastIndexOf('\\')) + 1);
}

function toRegExp(pattern: string): RegExp {
  const parts = pattern.split('*').map((part) => part.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 'i');
}
