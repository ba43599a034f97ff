/**
 * Fills a workflow with a job's parameters: the graph that is really sent. Pure. A value outside
 * its slot's bounds, a wish the workflow has no place for, or a LoRA that is not installed is
 * refused before the server sees it. Links are `[node, output]`; everything else is a constant.
 */
import type { JobSpec } from '#schema/job.ts';
import { ends } from './failure.ts';
import { baseName, LORA_LOADER, UPSCALERS } from './fit.ts';
import type { Offer } from './fit.ts';
import type { Graph } from './server.ts';
import { splitAddress } from './template.ts';
import type { Slot, SlotName, Task } from './template.ts';

/** Jobs that a workflow can run. */
export type MediaSpec = Extract<JobSpec, { type: 'image' | 'video' | 'music' }>;

export function isMedia(spec: JobSpec): spec is MediaSpec {
  return spec.type === 'image' || spec.type === 'video' || spec.type === 'music';
}

/** Which kind of workflow a job wants. */
export function taskOf(spec: MediaSpec): Task {
  switch (spec.type) {
    case 'image':
      if (spec.input_image === null) return 'text_to_image';
      return spec.mask === null ? 'image_to_image' : 'inpaint';
    case 'video':
      return spec.input_image === null ? 'text_to_video' : 'image_to_video';
    case 'music':
      return 'text_to_music';
  }
}

/** Names by which the server knows the files of a job. */
export interface Names {
  /** Of the files it is to write; unlike any other job's, so that no result comes from a cache. */
  readonly prefix: string;
  readonly inputImage?: string;
  readonly mask?: string;
}

/** The picture or frame size that a workflow makes of a wish: rounded as its slots say. */
export function sizeOf(offer: Offer, spec: MediaSpec): { width: number; height: number } | null {
  if (spec.type === 'music') return null;
  const { slots } = offer.workflow;
  const side = (slot: Slot | undefined, value: number): number =>
    slot ? (fill('size', slot, value) as number) : value;
  return { width: side(slots.width, spec.width), height: side(slots.height, spec.height) };
}

/** The graph of a job; throws what it cannot do. */
export function fillGraph(offer: Offer, spec: MediaSpec, names: Names): Graph {
  const { workflow } = offer;
  const nodes = structuredClone({ ...workflow.graph });
  if (spec.type === 'music' && spec.format === 'mp3') {
    const replaced = workflow.formats?.mp3;
    if (!replaced) throw ends.rejected(`${workflow.name} makes no mp3`);
    Object.assign(nodes, structuredClone(replaced));
  }
  const set = (address: string, value: unknown): void => {
    const [id, input] = splitAddress(address);
    nodes[id]!.inputs[input] = value;
  };
  for (const [address, file] of Object.entries(offer.files)) set(address, file);
  const values = valuesOf(spec, names);
  for (const [name, slot] of Object.entries(workflow.slots)) {
    const value = values[name as SlotName];
    if (value === undefined) throw ends.rejected(`${workflow.name} wants ${name}`);
    const filled = fill(name, slot, value);
    for (const address of slot.to) set(address, filled);
  }
  if (values.negative_prompt && !workflow.slots.negative_prompt) {
    throw ends.rejected(`${workflow.name} takes no negative prompt`);
  }
  if (spec.type === 'music' && spec.lyrics !== '' && !workflow.slots.lyrics) {
    throw ends.rejected(`${workflow.name} sings no lyrics`);
  }
  if (spec.type === 'image') {
    addLoras(nodes, offer, spec.loras);
    addUpscaler(nodes, offer, spec);
  }
  for (const { inputs } of Object.values(nodes)) {
    if ('filename_prefix' in inputs) inputs['filename_prefix'] = names.prefix;
  }
  return nodes;
}

type Nodes = Record<string, { class_type: string; inputs: Record<string, unknown> }>;

function valuesOf(
  spec: MediaSpec,
  { inputImage, mask }: Names,
): Partial<Record<SlotName, string | number | undefined>> {
  const common = { prompt: spec.prompt, seed: spec.seed };
  if (spec.type === 'music') {
    // An empty text is no song without words to the model, but this is.
    const lyrics = spec.lyrics === '' ? '[instrumental]' : spec.lyrics;
    return { ...common, lyrics, duration: spec.duration_s };
  }
  const { negative_prompt, width, height, steps, guidance } = spec;
  const picture = { ...common, negative_prompt, width, height, steps, guidance };
  const files = { input_image: inputImage, mask };
  if (spec.type === 'image') {
    return { ...picture, ...files, count: spec.count, strength: spec.strength };
  }
  const frames = Math.round(spec.duration_s * spec.fps);
  return { ...picture, ...files, frames, fps: spec.fps };
}

/** The value as its slot wants it; throws when it is out of bounds. */
export function fill(name: string, slot: Slot, value: string | number): string | number {
  if (slot.type === 'text' || slot.type === 'file') {
    if (typeof value !== 'string') throw ends.rejected(`${name} is no text`);
    if (slot.type === 'text' && value.length > (slot.charsMax ?? Infinity)) {
      throw ends.rejected(`${name} is over ${slot.charsMax} characters`);
    }
    return value;
  }
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    throw ends.rejected(`${name} is no number`);
  }
  if (value < slot.min || value > slot.max) {
    throw ends.rejected(`${name} ${value} is not within ${slot.min} to ${slot.max}`);
  }
  if (slot.type === 'number') return value;
  const { base, step, min, max } = slot;
  const near = base + Math.round((value - base) / step) * step;
  // The bounds need not lie on the grid.
  if (near > max) return near - step;
  return near < min ? near + step : near;
}

/** The id by which users name a LoRA: its file's name, plain. */
export function loraId(file: string): string {
  const name = baseName(file).replace(/\.[A-Za-z0-9]+$/, '');
  return name
    .toLowerCase()
    .replaceAll(/[^a-z0-9.]+/g, '-')
    .replaceAll(/^[-.]+|-+$/g, '')
    .slice(0, 64);
}

function addLoras(
  nodes: Nodes,
  { workflow, loras }: Offer,
  wanted: readonly { name: string; weight: number }[],
): void {
  if (wanted.length === 0) return;
  if (!workflow.lora) throw ends.rejected(`${workflow.name} takes no LoRA`);
  const from = { model: toLink(workflow.lora.model), clip: toLink(workflow.lora.clip) };
  let { model, clip } = from;
  const added: Nodes = {};
  for (const [index, { name, weight }] of wanted.entries()) {
    const file = loras.find((one) => loraId(one) === name);
    if (file === undefined) throw ends.missing(`no LoRA ${name}`);
    const id = `lora-${index}`;
    added[id] = {
      class_type: LORA_LOADER,
      inputs: { lora_name: file, strength_model: weight, strength_clip: weight, model, clip },
    };
    model = [id, 0];
    clip = [id, 1];
  }
  redirect(nodes, from.model, model);
  redirect(nodes, from.clip, clip);
  Object.assign(nodes, added);
}

function addUpscaler(
  nodes: Nodes,
  offer: Offer,
  spec: Extract<MediaSpec, { type: 'image' }>,
): void {
  if (spec.upscale <= 1) return;
  const { upscale, name } = offer.workflow;
  if (!upscale) throw ends.rejected(`${name} takes no upscale`);
  if (offer.upscaler === null) throw ends.missing(`no upscaler of ${upscale.any.join(', ')}`);
  const size = sizeOf(offer, spec)!;
  const image = toLink(upscale.image);
  redirect(nodes, image, ['upscaled', 0]);
  const [loader, enlarge, scale] = UPSCALERS;
  nodes['upscaler'] = { class_type: loader, inputs: { model_name: offer.upscaler } };
  nodes['enlarged'] = {
    class_type: enlarge,
    inputs: { upscale_model: ['upscaler', 0], image },
  };
  // Whatever factor the upscaler has, the picture gets the size that was asked for.
  nodes['upscaled'] = {
    class_type: scale,
    inputs: {
      image: ['enlarged', 0],
      upscale_method: 'lanczos',
      width: size.width * spec.upscale,
      height: size.height * spec.upscale,
      crop: 'disabled',
    },
  };
}

type Link = readonly [node: string, output: number];

function toLink(source: string): Link {
  const [node, output] = splitAddress(source);
  return [node, Number(output)];
}

function redirect(nodes: Nodes, from: Link, to: Link): void {
  for (const { inputs } of Object.values(nodes)) {
    for (const [name, value] of Object.entries(inputs)) {
      if (!Array.isArray(value)) continue;
      if (value[0] === from[0] && value[1] === from[1]) inputs[name] = to;
    }
  }
}
