/**
 * How a ComfyUI checks a prompt before it queues it, as its source and runs show: an unknown node
 * refuses all, a fault of one output leaves the others valid, and the answer is then 200.
 */
import { readFileSync } from 'node:fs';

export interface PromptNode {
  readonly class_type: string;
  readonly inputs: Readonly<Record<string, unknown>>;
}
export type Prompt = Readonly<Record<string, PromptNode>>;

interface NodeRules {
  readonly input: {
    readonly required?: Readonly<Record<string, readonly unknown[]>>;
    readonly optional?: Readonly<Record<string, readonly unknown[]>>;
  };
  readonly output_node: boolean;
}

interface Fault {
  readonly type: string;
  readonly message: string;
  readonly details: string;
  readonly extra_info: object;
}

interface Verdict {
  readonly error: Fault | null;
  readonly node_errors: Record<string, unknown>;
  /** Output nodes that will run. */
  readonly outputs: readonly string[];
}

/** Schemas as a bare ComfyUI 0.8.0 told them, with the files of a well-equipped box. */
export function readRules(): Record<string, NodeRules> {
  const url = new URL('./object-info.json', import.meta.url);
  return JSON.parse(readFileSync(url, 'utf8')) as Record<string, NodeRules>;
}

export function check(prompt: Prompt, rules: Readonly<Record<string, NodeRules>>): Verdict {
  for (const [id, node] of Object.entries(prompt)) {
    if (rules[node.class_type]) continue;
    const message = `Cannot execute because node ${node.class_type} does not exist.`;
    return refuse('invalid_prompt', message, `Node ID '#${id}'`);
  }
  const all = Object.keys(prompt).filter((id) => rules[prompt[id]!.class_type]!.output_node);
  if (all.length === 0) return refuse('prompt_no_outputs', 'Prompt has no outputs', '');
  const node_errors: Record<string, unknown> = {};
  const outputs = all.filter((output) => {
    const faulty = ancestors(prompt, output).flatMap((id) => {
      const errors = faultsOf(prompt[id]!, rules[prompt[id]!.class_type]!);
      return errors.length > 0 ? [{ id, errors }] : [];
    });
    for (const { id, errors } of faulty) {
      const { class_type } = prompt[id]!;
      node_errors[id] = { errors, dependent_outputs: [output], class_type };
    }
    return faulty.length === 0;
  });
  if (outputs.length > 0) return { error: null, node_errors, outputs };
  const type = 'prompt_outputs_failed_validation';
  return { ...refuse(type, 'Prompt outputs failed validation', ''), node_errors };
}

function refuse(type: string, message: string, details: string): Verdict {
  return { error: { type, message, details, extra_info: {} }, node_errors: {}, outputs: [] };
}

/** A node and all it depends on, dependencies first. */
export function ancestors(prompt: Prompt, id: string, seen = new Set<string>()): string[] {
  if (seen.has(id)) return [];
  seen.add(id);
  const before = Object.values(prompt[id]!.inputs).flatMap((value) =>
    isLink(value) ? ancestors(prompt, value[0], seen) : [],
  );
  return [...before, id];
}

export function isLink(value: unknown): value is [string, number] {
  return Array.isArray(value) && value.length === 2 && typeof value[0] === 'string';
}

function faultsOf(node: PromptNode, { input }: NodeRules): Fault[] {
  const faults: Fault[] = [];
  for (const [name, [kind, options]] of Object.entries(input.required ?? {})) {
    const value = node.inputs[name];
    const say = (type: string, message: string): void => {
      const extra_info = { input_name: name, received_value: value };
      faults.push({ type, message, details: name, extra_info });
    };
    if (value === undefined) say('required_input_missing', 'Required input is missing');
    if (value === undefined || isLink(value)) continue;
    const bounds = (options ?? {}) as { min?: number; max?: number; options?: unknown };
    // What was uploaded meanwhile is looked for on disk.
    const list = 'image_upload' in bounds ? null : Array.isArray(kind) ? kind : bounds.options;
    if (Array.isArray(list) && !list.includes(value)) {
      say('value_not_in_list', 'Value not in list');
    }
    if (kind !== 'INT' && kind !== 'FLOAT') continue;
    if (typeof value !== 'number') say('invalid_input_type', 'Failed to convert an input value');
    else if (bounds.min !== undefined && value < bounds.min) {
      say('value_smaller_than_min', `Value ${value} smaller than min of ${bounds.min}`);
    } else if (bounds.max !== undefined && value > bounds.max) {
      say('value_bigger_than_max', `Value ${value} bigger than max of ${bounds.max}`);
    }
  }
  return faults;
}
