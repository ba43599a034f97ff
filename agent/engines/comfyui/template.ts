/**
 * Workflow files: what ComfyUI runs for a task of a model. A file is a graph in ComfyUI's API
 * format beside named, typed, bounded slots that say where a job's parameters go, patterns for
 * the model files it needs, and where its results come from. An address is `node.input`, a source
 * is `node.output number`. To add a workflow, add a file; one of the operator's goes before ours.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { ModelId } from '#schema/model.ts';
import { NODES_MAX, WORKFLOW_BYTES_MAX, WORKFLOWS_MAX } from './limits.ts';

export const TASKS = [
  'text_to_image',
  'image_to_image',
  'inpaint',
  'text_to_video',
  'image_to_video',
  'text_to_music',
] as const;
export type Task = (typeof TASKS)[number];

/** What a job gives: the names a slot may have. */
export const SLOTS = [
  'prompt',
  'negative_prompt',
  'lyrics',
  'width',
  'height',
  'steps',
  'guidance',
  'seed',
  'count',
  'strength',
  'frames',
  'fps',
  'duration',
  'input_image',
  'mask',
] as const;
export type SlotName = (typeof SLOTS)[number];

const Address = z.string().regex(/^.+\.[A-Za-z_][A-Za-z0-9_]*$/, 'an address is node.input');
const Source = z.string().regex(/^.+\.\d+$/, 'a source is node.output');
const To = z.array(Address).min(1);

const Slot = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text'), to: To, charsMax: z.int().positive().optional() }),
  z.strictObject({
    type: z.literal('integer'),
    to: To,
    min: z.int(),
    max: z.int(),
    /** Rounded to the nearest `base + n * step`. */
    step: z.int().positive().default(1),
    base: z.int().default(0),
  }),
  z.strictObject({ type: z.literal('number'), to: To, min: z.number(), max: z.number() }),
  z.strictObject({ type: z.literal('file'), to: To }),
]);
export type Slot = z.infer<typeof Slot>;

const Node = z.object({
  class_type: z.string().min(1),
  inputs: z.record(z.string(), z.unknown()).default({}),
});
/** File names in the order of preference; `*` stands for anything, case is of no matter. */
const Names = z.array(z.string().min(1)).min(1);

const Template = z
  .strictObject({
    model: ModelId,
    task: z.enum(TASKS),
    graph: z
      .record(z.string(), Node)
      .refine((graph) => Object.keys(graph).length <= NODES_MAX, 'has too many nodes'),
    /** Model files: the first name that is installed is used. */
    files: z.record(z.string(), z.strictObject({ to: To, any: Names })).default({}),
    slots: z.partialRecord(z.enum(SLOTS), Slot),
    /** The node whose steps are the job's. */
    sampler: z.string(),
    /** Nodes whose kept files are the results, in this order. */
    results: z.array(z.string()).min(1),
    /** A node that keeps one picture of the result, for its thumbnail. */
    poster: z.string().optional(),
    /** Where LoRAs go in between: the sources of model and text encoder. */
    lora: z.strictObject({ model: Source, clip: Source }).optional(),
    /** The source of the picture that an upscaler enlarges, and upscalers by preference. */
    upscale: z.strictObject({ image: Source, any: Names }).optional(),
    /** Nodes that replace others for a sound format; WAV and Ogg come from FLAC otherwise. */
    formats: z.partialRecord(z.enum(['mp3']), z.record(z.string(), Node)).optional(),
  })
  .superRefine((template, context) => {
    for (const fault of faultsOf(template)) context.addIssue({ code: 'custom', message: fault });
  });
export type Template = z.infer<typeof Template>;

/** A template and the name of its file. */
export interface Workflow extends Template {
  readonly name: string;
}

/** Splits `node.input`; a node's id may itself have dots. */
export function splitAddress(address: string): readonly [node: string, input: string] {
  const dot = address.lastIndexOf('.');
  return [address.slice(0, dot), address.slice(dot + 1)];
}

/** Parses one file; throws an error that says what is wrong with it. */
export function parseTemplate(name: string, text: string): Workflow {
  const parsed = Template.safeParse(JSON.parse(text));
  if (parsed.success) return { name, ...parsed.data };
  const { path, message } = parsed.error.issues[0]!;
  throw new Error(`${path.join('.') || 'the file'}: ${message}`);
}

function* faultsOf(template: {
  graph: Record<string, { inputs: Record<string, unknown> }>;
  files: Record<string, { to: string[] }>;
  slots: Partial<Record<SlotName, Slot>>;
  sampler: string;
  results: string[];
  poster?: string | undefined;
  lora?: { model: string; clip: string } | undefined;
  upscale?: { image: string } | undefined;
  formats?: Partial<Record<'mp3', Record<string, unknown>>> | undefined;
}): Generator<string> {
  const { graph, files, slots, lora, upscale } = template;
  const filled = [...Object.values(files), ...Object.values(slots)].flatMap(({ to }) => to);
  for (const address of filled) {
    const [node, input] = splitAddress(address);
    if (graph[node]?.inputs[input] === undefined) yield `the graph has no ${address}`;
  }
  if (new Set(filled).size < filled.length) yield 'an address is filled twice';
  const sources = [lora?.model, lora?.clip, upscale?.image].flatMap((source) =>
    source === undefined ? [] : [splitAddress(source)[0]],
  );
  const replaced = Object.values(template.formats ?? {}).flatMap((nodes) => Object.keys(nodes));
  const poster = template.poster === undefined ? [] : [template.poster];
  for (const node of [template.sampler, ...template.results, ...poster, ...sources, ...replaced]) {
    if (graph[node] === undefined) yield `the graph has no node ${node}`;
  }
  for (const [name, slot] of Object.entries(slots)) {
    if ('min' in slot && slot.min > slot.max) yield `slot ${name} has no value within its bounds`;
  }
}

/** Workflows of the folders, the first folder's before the next one's; faults go to `say`. */
export async function loadWorkflows(
  folders: readonly string[],
  say: (words: string) => void,
): Promise<Workflow[]> {
  const workflows: Workflow[] = [];
  for (const folder of folders) {
    for (const name of await namesOf(folder, say)) {
      try {
        const path = join(folder, name);
        if ((await stat(path)).size > WORKFLOW_BYTES_MAX) throw new Error('the file is too large');
        workflows.push(parseTemplate(name, await readFile(path, 'utf8')));
      } catch (error) {
        say(`workflow ${name} is left out: ${(error as Error).message}`);
      }
    }
  }
  return workflows;
}

async function namesOf(folder: string, say: (words: string) => void): Promise<readonly string[]> {
  try {
    const names = (await readdir(folder)).filter((name) => name.endsWith('.json')).toSorted();
    if (names.length > WORKFLOWS_MAX) say(`of ${folder}, only ${WORKFLOWS_MAX} files are read`);
    return names.slice(0, WORKFLOWS_MAX);
  } catch (error) {
    say(`the workflow folder ${folder} cannot be read: ${(error as Error).message}`);
    return [];
  }
}
